//! Ctrl-C, SIGTERM and SIGHUP: the first asks for the end, the second does not ask. Knows not what is cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use solver::port::Cancel;

use crate::report::{Kind, Problem};
use crate::terminal;

/// What signals do from now on.
pub struct Interrupts {
    cancel: Cancel,
    /// Something runs that has to be ended in order, and asks whether it is to.
    orderly: Arc<AtomicBool>,
}

impl Interrupts {
    /// Where the machine allows no handler, signals do what they always do, and end the program at once.
    pub fn handle() -> Self {
        let interrupts = Self { cancel: Cancel::new(), orderly: Arc::default() };
        if let Ok(signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) {
            let (cancel, orderly) = (interrupts.cancel.clone(), Arc::clone(&interrupts.orderly));
            std::thread::spawn(move || wait(signals, &cancel, &orderly));
        }
        interrupts
    }

    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// From now on the first signal cancels. Until now it ended the program: nothing was there to be cleaned up.
    pub fn be_orderly(&self) {
        self.orderly.store(true, Ordering::Release);
    }
}

fn wait(mut signals: Signals, cancel: &Cancel, orderly: &AtomicBool) {
    for _signal in signals.forever() {
        if cancel.is_canceled() || !orderly.load(Ordering::Acquire) {
            terminal::complain(&Problem::canceled().text());
            std::process::exit(i32::from(Kind::Canceled.exit_code()));
        }
        cancel.cancel();
    }
}
