//! Whole keys hold every input, in order, apart from each other.

use graph::Op;
use oci::{ContentDigest, LayerId};

use super::*;

#[test]
fn every_input_is_in_the_whole_key() {
    let layer = |text: &[u8]| LayerId::Built(ContentDigest::of(text));
    let op = graph::fields(&Op::Merge);
    let key = |inputs: &[Value]| whole(&op, inputs).map(|manifest| manifest.digest());
    let one = Value::Snapshot(vec![layer(b"a"), layer(b"b")]);
    let two = Value::Snapshot(vec![layer(b"a")]);
    let three = Value::Snapshot(vec![layer(b"b")]);
    assert_ne!(key(std::slice::from_ref(&one)), key(&[two.clone(), three.clone()]));
    assert_ne!(key(&[two.clone(), three.clone()]), key(&[three, two]));
    assert_eq!(key(&[one, Value::Local("context".to_owned())]), None);
}
