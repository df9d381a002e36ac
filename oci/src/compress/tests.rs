//! Streams compressed and read back.

use proptest::prelude::*;

use super::*;

fn compress(bytes: &[u8], compression: Compression, chunk: usize) -> (Vec<u8>, Written) {
    let mut compressor = Compressor::new(Vec::new(), compression).expect("a compressor");
    bytes.chunks(chunk.max(1)).for_each(|chunk| compressor.write_all(chunk).expect("written"));
    compressor.finish().expect("finished")
}

fn inflate(bytes: &[u8]) -> (Format, Vec<u8>) {
    let (format, mut reader) = decompress(bytes).expect("a reader");
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain).expect("good bytes");
    (format, plain)
}

fn sample(size: usize) -> Vec<u8> {
    (0..size as u64)
        .flat_map(|i| ((i / 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).to_le_bytes())
        .take(size)
        .collect()
}

#[test]
fn what_is_compressed_is_what_comes_out() {
    for (compression, format) in
        [(Compression::None, Format::Plain), (Compression::Gzip, Format::Gzip), (Compression::Zstd, Format::Zstd)]
    {
        for size in [0, 1, 512 << 10, (512 << 10) + 1, 9_000_000] {
            let plain = sample(size);
            let (packed, written) = compress(&plain, compression, 100_000);
            assert_eq!(written, Written { digest: Digest::of(&packed), size: packed.len() as u64 });
            let expected = if size == 0 && compression == Compression::None { Format::Plain } else { format };
            assert!(inflate(&packed) == (expected, plain), "{compression:?} {size}");
        }
    }
}

#[test]
fn gzip_is_one_member_that_others_read() {
    let plain = sample(3 << 20);
    let (packed, _) = compress(&plain, Compression::Gzip, 1 << 20);
    let mut read = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut read).expect("one member");
    assert!(read == plain);
}

#[test]
fn the_bytes_depend_neither_on_threads_nor_on_writes() {
    let plain = sample(6 << 20);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (_, expected) = compress(&plain, compression, plain.len());
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            assert_eq!(pool.install(|| compress(&plain, compression, 77_777).1), expected);
        }
    }
}

#[test]
fn a_cut_stream_is_an_error() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (packed, _) = compress(&sample(100_000), compression, 100_000);
        let (_, mut reader) = decompress(&packed[..packed.len() - 5]).expect("a reader");
        assert!(reader.read_to_end(&mut Vec::new()).is_err(), "{compression:?}");
    }
}

/// `hello\n`, by the programs of that name.
const BZIP2: &[u8] = b"\
    \x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xc1\xc0\x80\xe2\x00\x00\x01\x41\x00\x00\x10\x02\x44\xa0\
    \x00\x30\xcd\x00\xc3\x46\x29\x97\x17\x72\x45\x38\x50\x90\xc1\xc0\x80\xe2";
const XZ: &[u8] = b"\
    \xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\
    \x01\x00\x05\x68\x65\x6c\x6c\x6f\x0a\x00\x00\x00\xa5\x60\x97\xf1\x94\xf6\xfd\xe0\x00\x01\x1e\x06\
    \xc1\x2f\xa4\x1d\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a";

#[test]
fn what_other_programs_compressed_is_read() {
    for (packed, format) in [(BZIP2, Format::Bzip2), (XZ, Format::Xz)] {
        assert_eq!(inflate(packed), (format, b"hello\n".to_vec()));
        // One stream after the other is one stream.
        assert_eq!(inflate(&packed.repeat(3)), (format, b"hello\n".repeat(3)));
    }
}

#[test]
fn damage_of_a_bzip2_or_xz_stream_is_seen() {
    for packed in [BZIP2, XZ] {
        for cut in Format::MAGIC..packed.len() {
            assert!(fails(&packed[..cut]), "cut at {cut}");
        }
        for at in Format::MAGIC..packed.len() {
            let mut packed = packed.to_vec();
            packed[at] ^= 1;
            assert!(fails(&packed) || inflate(&packed).1 == b"hello\n", "flipped at {at}");
        }
    }
}

#[test]
fn an_xz_stream_cannot_ask_for_any_memory() {
    // The dictionary's size is one byte of the block's header, whose checksum is its last four.
    let mut greedy = XZ.to_vec();
    let properties = 12 + 2 + 2;
    let end = 12 + (usize::from(greedy[12]) + 1) * 4;
    greedy[properties] = 40;
    let mut crc = flate2::Crc::new();
    crc.update(&greedy[12..end - 4]);
    greedy[end - 4..end].copy_from_slice(&crc.sum().to_le_bytes());
    let (_, mut reader) = decompress(&greedy[..]).expect("a reader");
    let error = reader.read_to_end(&mut Vec::new()).expect_err("too much");
    assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error}");
    // And it stays so.
    assert!(reader.read(&mut [0]).is_err());
}

fn fails(packed: &[u8]) -> bool {
    decompress(packed).is_ok_and(|(_, mut reader)| reader.read_to_end(&mut Vec::new()).is_err())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_without_panic(magic in 0..6_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let magics: [&[u8]; 6] =
            [&[], &[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh9", &BZIP2[..14], &XZ[..24]];
        let bytes = [magics[magic], &bytes].concat();
        if let Ok((_, reader)) = decompress(&bytes[..]) {
            let _ = reader.take(1 << 20).read_to_end(&mut Vec::new());
        }
    }
}
