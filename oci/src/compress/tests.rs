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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_without_panic(magic in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let magics: [&[u8]; 4] = [&[], &[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh9"];
        let bytes = [magics[magic], &bytes].concat();
        if let Ok((_, reader)) = decompress(&bytes[..]) {
            let _ = reader.take(1 << 20).read_to_end(&mut Vec::new());
        }
    }
}
