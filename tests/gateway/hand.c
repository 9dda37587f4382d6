/* Hands an open file over from a process in a container to one outside, which a shell cannot:
 *   hand give SOCKET FILE           opens FILE only as a path (O_PATH), and hands it over
 *   hand take SOCKET COMMAND...     runs the command with what it is given as descriptor 9 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int main(int count, char **args)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec bytes = { &byte, 1 };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int line = socket(AF_UNIX, SOCK_STREAM, 0), file;

	if (count < 4)
		errx(2, "give or take, a socket, and what");
	strncpy(at.sun_path, args[2], sizeof at.sun_path - 1);
	if (!strcmp(args[1], "give")) {
		if ((file = open(args[3], O_PATH)) < 0)
			err(2, "%s", args[3]);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof file);
		memcpy(CMSG_DATA(head), &file, sizeof file);
		if (connect(line, (void *)&at, sizeof at) || sendmsg(line, &message, 0) < 0)
			err(2, "%s", args[2]);
		return 0;
	}
	unlink(args[2]);
	if (bind(line, (void *)&at, sizeof at) || listen(line, 1))
		err(2, "%s", args[2]);
	if (recvmsg(accept(line, 0, 0), &message, 0) < 1 || !(head = CMSG_FIRSTHDR(&message)))
		errx(2, "nothing was handed over");
	memcpy(&file, CMSG_DATA(head), sizeof file);
	dup2(file, 9);
	execvp(args[3], args + 3);
	err(2, "%s", args[3]);
}
