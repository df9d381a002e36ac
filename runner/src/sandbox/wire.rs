//! Messages with descriptors over a socket pair: what the caller, the zygote and an init tell each other.
//! Knows not what they are used for.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::spec::Outcome;

/// No message is longer: plans travel in a file in memory, not in a message.
const LONGEST: usize = 8192;
/// The run's socket, the plan and three standard streams.
const MOST_DESCRIPTORS: usize = 8;

/// From the zygote and the init to the caller.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The zygote is ready for requests.
    Ready,
    /// The zygote could not get ready.
    NotReady {
        what: String,
        errno: i32,
    },
    /// The init exists; its pidfd comes along.
    Cloned,
    /// There is no init.
    NotCloned {
        errno: i32,
    },
    /// The program runs, or its failure to run has been said on its standard error. The terminal comes along, if any.
    /// `made` are the mountpoints that had to be made in the root, outermost first.
    Started {
        made: Vec<String>,
    },
    /// A step failed.
    Failed {
        step: Failed,
        errno: i32,
        detail: String,
        made: Vec<String>,
    },
    Ended(Outcome),
}

/// Which step: an index into one of the two lists of the plan.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Failed {
    Setup(usize),
    Process(usize),
    /// Before or between the two lists.
    Init,
}

/// A signal for the process of the sandbox, from the caller to the init.
#[derive(Debug, Serialize, Deserialize)]
pub struct Signal(pub i32);

pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

pub fn send(socket: BorrowedFd<'_>, message: &impl Serialize, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    retry_on_intr(|| sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// The next message, or nothing when the other side is gone.
pub fn recv<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut bytes = [0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        retry_on_intr(|| recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC));
    let length = match received {
        Ok(message) => message.bytes,
        Err(rustix::io::Errno::CONNRESET) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if length == 0 {
        return Ok(None);
    }
    Ok(Some((serde_json::from_slice(&bytes[..length])?, descriptors)))
}
