//! Ctrl-C and SIGTERM: the first asks for the end, the second does not ask. Knows not what is cancelled.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use solver::port::Cancel;

use crate::report::Kind;

/// Lets `cancel` know of the first SIGINT, SIGTERM or SIGHUP; ends the program at the second.
///
/// Where the machine allows no handler, the signals do what they always do, and end the program at once.
pub fn cancel_on_signal(cancel: &Cancel) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        for _signal in signals.forever() {
            if cancel.is_canceled() {
                std::process::exit(i32::from(Kind::Canceled.exit_code()));
            }
            cancel.cancel();
        }
    });
}
