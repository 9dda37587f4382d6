//! The ideas behind the commands, for someone who has never used a container.

use crate::{
    page::Block,
    text::{INDENT, Look, render_block, wrap},
};

/// One idea: what `--concepts` says about it.
#[derive(Debug, Clone, Copy)]
pub struct Concept {
    title: &'static str,
    /// Paragraphs, separated by blank lines; lines that begin with blanks are a word, two
    /// blanks or more, and what it means.
    text: &'static str,
}

/// What a container is, and what it is not.
pub const CONTAINER: Concept = Concept {
    title: "A container is a computer of your own inside this one",
    text: "\
Many people share this machine, and their projects need different versions of Python, CUDA and everything \
else. So you do not install software on the machine itself: you work in a container. It has its own files, \
programs and processes, and neither sees nor disturbs anybody else's. It uses the machine's processors, memory \
and GPUs directly, so it is as fast as the machine, and it starts in about a second.

A container is meant to be thrown away. Make one when you sit down to work, remove it when you are done, and \
make the next one from the same image: it will be just the same. What you want to keep belongs in the \
workspace.

  project-launch thesis         make it, with a GPU, and work in it
  container-list                see what you have
  container-retire thesis       remove it and give the GPU to others",
};

/// What an image is, and how it differs from a container.
pub const IMAGE: Concept = Concept {
    title: "An image is what containers are made from",
    text: "\
An image is a read-only copy of a whole system: Linux, Python, a framework such as PyTorch, your packages. A \
container is one running use of it. One image makes any number of containers, now or in a year, here or on \
another machine, and all of them begin alike.

What you install inside a container disappears with that container. What you want every time belongs in the \
image: its recipe is the Dockerfile of your project, and building it again takes the changes in.

  project-launch thesis --rebuild   build the image again, and work in it
  image-list                    see what you have",
};

/// Where work is kept.
pub const WORKSPACE: Concept = Concept {
    title: "The workspace is where your work stays",
    text: "\
Inside a container, /workspace is a directory of the machine: ~/workspace/<project> in your home. It is the same \
directory seen from two sides, so code that you edit outside is at once there inside, and what a training run \
writes there is still yours when the container is gone. No command here ever deletes it.

Everything else that you see in a container (/usr, /tmp, what pip installed) belongs to the container and is \
removed with it.",
};

/// Whole GPUs, MIG devices and shares.
pub const GPU: Concept = Concept {
    title: "A device is a GPU, or a part of one",
    text: "\
A container is given devices, for itself alone, from the moment it is created until it is removed. A device is \
either a whole GPU, written 0, or a MIG device, written 0:1: a fixed part of GPU 0, with compute and memory of \
its own that no neighbour can touch. In a container each looks like an ordinary GPU.

Devices differ in size, so they are counted in shares. A whole GPU is 1; of a GPU that is cut in sevenths, a MIG \
device of three slices is 3/7, shown as 0.43. Your quota is a number of such shares.

Most work needs less than a whole GPU: to write and try out code, one small device is enough. Ask for more when \
a run is known to use it, or for a whole GPU with --gpu=full. The devices that you hold are devices that nobody else can have, even while you sleep.

  gpu-status                    which devices there are, and who holds them",
};

/// What the limits limit.
pub const LIMITS: Concept = Concept {
    title: "Limits are what makes sharing work",
    text: "\
Your group's limits say how much you may use at once: shares of GPUs in all your containers together, devices in \
one container, the number of containers, processors, memory and processes. A request beyond a limit is refused \
at once, with the number and the limit; waiting does not help, freeing something does. That no device is free is \
a different matter: somebody else has them all, and waiting does help.

Memory is a hard limit: a process that passes it is ended. There are also limits in time: a container whose GPU \
has been idle for long, or that has run for the longest time allowed, is stopped after a warning, so that what \
is not used comes back to everyone.

  check-limits                  your limits, and what you use of them",
};

/// The states of a container, and what becomes of its devices.
pub const STATES: Concept = Concept {
    title: "A container is created, running, paused or stopped",
    text: "\
At any moment a container is in one of four states:

  created    made, with its devices, but nothing runs in it yet
  running    its processes run, whether you are attached to it or not
  paused     its processes are frozen where they were, and stay in memory
  stopped    its processes have ended; its own files are still there

To leave a container is not to stop it: after exit or Ctrl-D it runs on, and you can attach to it again. To stop \
it ends what runs in it. To remove it deletes all but the workspace.

Devices are held in every one of these states. A stopped container keeps its devices only for a while (see \
check-limits), so that you can soon start it again; after that they go to others. Starting it later works if \
the same devices happen to be free; otherwise make a new one. If you are not coming back soon, remove it: that \
frees its devices at once.",
};

/// What a shared host stands on.
pub const HOST: Concept = Concept {
    title: "A shared host is as safe as its weakest file",
    text: "\
Whoever can write to the engine's socket is root on the host: a container can be started that has the whole host \
in it. So that socket is root's alone, and everybody else goes through the gateway, which knows from the kernel \
who is calling and lets through what that user may do.

Who has which GPU stands in the ledger, and whose a container is in its record, both in the state directory. For \
a container that exists the engine is right and the ledger a copy, brought in line at every change. What proves \
the owner is the record alone: anybody can put a label on a container. A container with a GPU and without a record \
keeps it until an admin decides.

  ds01-doctor                   what is not as it should be, and what to type
  gpu-status                    who has which device",
};

/// `concepts` one after the other, to be read from top to bottom.
pub(crate) fn render(concepts: &[Concept], look: Look) -> String {
    let mut out = String::new();
    for concept in concepts {
        if !out.is_empty() {
            out.push('\n');
        }
        for line in wrap(concept.title, look.columns()) {
            out.push_str(&look.heading(&line));
            out.push('\n');
        }
        for paragraph in concept.text.split("\n\n") {
            out.push('\n');
            if paragraph.starts_with("  ") {
                for (term, text) in paragraph
                    .lines()
                    .filter_map(|line| line.trim_start().split_once("  "))
                {
                    let entry = Block::Entry {
                        term: term.into(),
                        text: text.into(),
                    };
                    render_block(&mut out, &entry, INDENT, look);
                }
            } else {
                render_block(&mut out, &Block::Text(paragraph.into()), 0, look);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_concept_fits_the_terminal_with_each_command_on_a_line_of_its_own() {
        let all = [CONTAINER, IMAGE, WORKSPACE, GPU, LIMITS, STATES, HOST];
        for width in [40, 80, 200] {
            let text = render(&all, Look { width, bold: false });
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= width.min(120), "{longest} columns of {width}");
            assert!(text.contains("\n  gpu-status              which"), "{text}");
            assert!(
                !text.contains("                            which"),
                "{text}"
            );
            assert!(text.starts_with("A container is a computer of your own"));
        }
    }
}
