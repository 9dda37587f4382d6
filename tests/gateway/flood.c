/* Sends descriptors that nobody takes, until the kernel lets no more be on their way; then waits. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* As many as one message may have: SCM_MAX_FD. */
#define MOST 253

int main(void)
{
	char byte = 0, control[CMSG_SPACE(MOST * sizeof(int))] = { 0 };
	struct iovec bytes = { &byte, 1 };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	struct rlimit files;
	int pair[2] = { -1, -1 };

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(MOST * sizeof(int));
	while (pair[0] < 0 || sendmsg(pair[0], &message, MSG_DONTWAIT) == 1 || errno == EAGAIN)
		if (pair[0] < 0 || errno == EAGAIN) {
			if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
				err(2, "socketpair");
			errno = 0;
		}
	printf("%s\n", strerror(errno));
	fflush(stdout);
	for (;;)
		pause();
}
