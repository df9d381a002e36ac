//! Manifests: the list of named fields that a key is hashed from, and that explains it. Knows no op and no store.
//!
//! One list serves both, so an explanation cannot lie: what is not in it is not in the key.
//!
//! ## Canonical bytes
//!
//! For each field in order: the name's length as a little-endian `u32`, the name, the value's length likewise, the
//! value. Nothing else, so two manifests have the same bytes exactly when they have the same fields.

use oci::digest::ContentDigest;

/// What a key is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    fields: Vec<Field>,
}

/// One thing that a key depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// `args.2`, `env.PATH`, `input.0`
    pub name: String,
    pub value: Vec<u8>,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the manifest of a key is cut off or damaged at byte {at}")]
pub struct ManifestError {
    at: usize,
}

impl Manifest {
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.fields.push(Field { name: name.into(), value: value.into() });
    }

    pub fn extend(&mut self, other: Manifest) {
        self.fields.extend(other.fields);
    }

    /// The canonical bytes, which are what is hashed and what is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let size = self.fields.iter().map(|field| 8 + field.name.len() + field.value.len()).sum();
        let mut bytes = Vec::with_capacity(size);
        for field in &self.fields {
            for part in [field.name.as_bytes(), &field.value] {
                let length =
                    u32::try_from(part.len()).expect("a field is smaller than 4 GiB: limits are checked on input");
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(part);
            }
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut rest = bytes;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let mut part = || {
                let (length, tail) = rest.split_first_chunk::<4>()?;
                let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                rest = tail;
                Some(part)
            };
            let (name, value) = part().zip(part()).ok_or(ManifestError { at })?;
            let name = String::from_utf8(name.to_vec()).map_err(|_| ManifestError { at })?;
            fields.push(Field { name, value: value.to_vec() });
        }
        Ok(Self { fields })
    }

    pub fn digest(&self) -> ContentDigest {
        ContentDigest::of(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn manifest(fields: &[(String, Vec<u8>)]) -> Manifest {
        let mut manifest = Manifest::default();
        fields.iter().for_each(|(name, value)| manifest.push(name.as_str(), value.as_slice()));
        manifest
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(fields in vec((".{0,5}", vec(any::<u8>(), 0..5)), 0..5)) {
            let manifest = manifest(&fields);
            prop_assert_eq!(Manifest::from_bytes(&manifest.to_bytes()), Ok(manifest));
        }

        /// Where one field ends and the next begins is part of the bytes.
        #[test]
        fn two_manifests_have_the_same_bytes_exactly_when_they_are_the_same(
            one in vec(("[ab]{0,2}", vec(97..99_u8, 0..3)), 0..3),
            other in vec(("[ab]{0,2}", vec(97..99_u8, 0..3)), 0..3),
        ) {
            let same = manifest(&one).to_bytes() == manifest(&other).to_bytes();
            prop_assert_eq!(same, one == other);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..40)) {
            if let Ok(manifest) = Manifest::from_bytes(&bytes) {
                prop_assert_eq!(manifest.to_bytes(), bytes);
            }
        }
    }
}
