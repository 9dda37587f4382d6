//! `gpu-status`: its documentation is that of `Args`, which `gpu-status --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, holders, open};
use ds01_core::{failure::Failure, reservation::Reservation};
use ds01_host::ops::{DeviceStatus, Gpus};

/// Show every GPU and MIG device, what it does, and who holds it.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --format=simple | grep -w free",
    note = "The columns are GPU TYPE SHARE MEMORY UTIL USER CONTAINER. A dash stands for what cannot be read: MIG devices have no utilisation. TYPE is the MIG profile, which container-create --gpu takes, or the model of a whole GPU, which is full there.",
    note = "With --format=json: driver; devices, each with device (uuid, gpu, slot, share in 28ths, model, profile, memory_bytes, activity), holders (user, owner_by, container, state), in_use_outside, outsiders (pid, user, name) and reserved_for; problems; reserved, as gpu-reserve list has it.",
    note = "A device that an admin has set aside now is reserved, and not free. For whom, and what is reserved for later or as an amount, has a line below the table.",
    note = "What DS01 did not make is marked (unmanaged): with the user that container-owner-tracker found, and \"perhaps\" if only a label or name says so. So are processes that use a GPU outside containers.",
    error_code(8, "the driver or the engine cannot be reached")
)]
struct Args {
    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::GPU, concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] = &["check-limits", "container-list", "gpu-reserve"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("NVIDIA's driver is asked what there is, the engine and the ledger who holds it");
    let status = ask(&host, ui, &Gpus {})?;
    status.problems.iter().for_each(|problem| ui.warn(problem));
    let rows: Vec<_> = status.devices.iter().map(cells).collect();
    let headings = [
        "GPU",
        "TYPE",
        "SHARE",
        "MEMORY",
        "UTIL",
        "USER",
        "CONTAINER",
    ];
    ui.list(args.format, headings, &rows, &status)?;
    if args.format == Format::Table {
        for Reservation {
            what,
            whom,
            from,
            until,
            ..
        } in &status.reserved
        {
            ui.line(format_args!(
                "reserved for {whom} from {from} until {until}: {what}"
            ))?;
        }
    }
    Ok(())
}

fn cells(status: &DeviceStatus) -> [String; 7] {
    let device = &status.device;
    let activity = &device.activity;
    let used = activity.memory_used_bytes.map_or("-".into(), human::bytes);
    let [user, container] = holders(status);
    [
        device.slot.to_string(),
        device
            .profile
            .clone()
            .unwrap_or_else(|| device.model.clone()),
        device.share.to_string(),
        format!("{used}/{}", human::bytes(device.memory_bytes)),
        activity
            .utilisation
            .map_or("-".into(), |percent| format!("{percent}%")),
        user,
        container,
    ]
}
