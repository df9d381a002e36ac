//! A reader that lets through what its descriptor promised, and nothing else. Knows not where the bytes come from.
//!
//! Bytes are counted and hashed as they pass. One byte too many is an error at once, so an endless body fills no
//! disk; at the end, a byte too few or another digest is an error in place of the end. Whoever has read to the end
//! has therefore read the blob.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Why bytes are not the blob they were promised to be. Comes wrapped in an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the blob `{digest}` is longer than the {size} bytes its descriptor says")]
    TooLong { digest: Digest, size: u64 },
    #[error("the blob `{digest}` ends after {got} of {size} bytes")]
    TooShort { digest: Digest, size: u64, got: u64 },
    #[error("the blob `{digest}` has other contents: their digest is `{got}`")]
    WrongDigest { digest: Digest, got: Digest },
}

impl From<VerifyError> for io::Error {
    fn from(error: VerifyError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Counts and hashes what passes; see the module's page.
pub struct Verifier {
    digest: Digest,
    size: u64,
    got: u64,
    hash: Sha256,
}

/// A reader of which every byte goes through a [`Verifier`].
pub struct VerifiedReader<R> {
    inner: R,
    verifier: Verifier,
    ended: bool,
}

impl Verifier {
    pub fn new(digest: Digest, size: u64) -> Self {
        Self { digest, size, got: 0, hash: Sha256::new() }
    }

    /// How many bytes have passed.
    pub fn got(&self) -> u64 {
        self.got
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if more > self.size - self.got {
            return Err(VerifyError::TooLong { digest: self.digest, size: self.size });
        }
        self.got += more;
        self.hash.update(bytes);
        Ok(())
    }

    /// Judges the whole.
    pub fn finish(&mut self) -> Result<(), VerifyError> {
        let Self { digest, size, got, .. } = *self;
        if got < size {
            return Err(VerifyError::TooShort { digest, size, got });
        }
        let found = Digest::from_bytes(self.hash.finalize_reset().into());
        if found == digest { Ok(()) } else { Err(VerifyError::WrongDigest { digest, got: found }) }
    }
}

impl<R: Read> VerifiedReader<R> {
    pub fn new(inner: R, digest: Digest, size: u64) -> Self {
        Self { inner, verifier: Verifier::new(digest, size), ended: false }
    }
}

impl<R: Read> Read for VerifiedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let n = self.inner.read(buffer)?;
        if n == 0 {
            self.verifier.finish()?;
            self.ended = true;
            return Ok(0);
        }
        self.verifier.update(&buffer[..n])?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], size: u64) -> Result<Vec<u8>, VerifyError> {
        let mut all = Vec::new();
        match VerifiedReader::new(bytes, Digest::of(b"abc"), size).read_to_end(&mut all) {
            Ok(_) => Ok(all),
            Err(error) => Err(*error.get_ref().unwrap().downcast_ref().unwrap()),
        }
    }

    #[test]
    fn only_what_was_promised_passes() {
        let digest = Digest::of(b"abc");
        assert_eq!(read(b"abc", 3), Ok(b"abc".to_vec()));
        assert_eq!(read(b"abcd", 3), Err(VerifyError::TooLong { digest, size: 3 }));
        assert_eq!(read(b"ab", 3), Err(VerifyError::TooShort { digest, size: 3, got: 2 }));
        assert_eq!(read(b"abd", 3), Err(VerifyError::WrongDigest { digest, got: Digest::of(b"abd") }));
    }

    #[test]
    fn an_endless_body_ends_at_its_promised_size() {
        let mut reader = VerifiedReader::new(io::repeat(0), Digest::of(b""), 1 << 16);
        assert!(io::copy(&mut reader, &mut io::sink()).is_err());
        assert!(reader.verifier.got() <= 1 << 16);
    }
}
