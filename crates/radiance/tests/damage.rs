//! Files of splats that are damaged at every byte, cut at every length, or made to unpack to more than there is room for: read or refused in a sentence, in little memory.

#![cfg(feature = "formats")]

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use monotile::text::is_plain;
use monotile::{DType, Rng};
use monotile_kernels::process::{CountingAllocator, MemoryCounter};
use monotile_radiance::{SplatFormat, SplatReadOptions, SplatWriteOptions, Splats};

#[global_allocator]
static MEMORY: CountingAllocator = CountingAllocator;

/// What reading a file of some thousand bytes may take: a few windows of its unpackers.
const MOST_MEMORY: usize = 48 << 20;

/// Does something in a thread that is held when it takes more memory than that.
fn bounded(work: impl FnOnce() + Send + 'static) {
    let counter = MemoryCounter::new(MOST_MEMORY);
    let thread = std::thread::spawn(move || {
        counter.count();
        work();
    });
    while !thread.is_finished() {
        assert!(!counter.has_held(), "more than {MOST_MEMORY} bytes were wanted");
        std::thread::sleep(Duration::from_millis(2));
    }
    thread.join().unwrap();
}

/// The bytes of a small scene.
fn file(name: &str, options: &SplatWriteOptions) -> Vec<u8> {
    let mut rng = Rng::new(9);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F32).unwrap();
    let splats = Splats {
        means: normal(&[5, 3]),
        rotations: normal(&[5, 4]),
        log_scales: normal(&[5, 3]),
        logits: normal(&[5]),
        harmonics: normal(&[5, 4, 3]),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    splats.write_as(&path, options).unwrap();
    std::fs::read(&path).unwrap()
}

/// Reads bytes, and looks at the words if they are refused.
fn read(format: SplatFormat, bytes: &[u8]) -> Option<String> {
    let found = Splats::from_bytes(format, bytes, &SplatReadOptions::default());
    let words = found.err()?.to_string();
    assert!(words.len() > 12 && words.len() < 1000 && words.chars().all(is_plain), "{words:?}");
    Some(words)
}

fn damage(format: SplatFormat, name: &'static str, options: SplatWriteOptions) {
    bounded(move || {
        let bytes = file(name, &options);
        assert_eq!(read(format, &bytes), None);
        for end in (0..bytes.len()).step_by(1 + bytes.len() / 1000) {
            read(format, &bytes[..end]);
        }
        let mut damaged = bytes.clone();
        // One digit of a table of numbers is like another.
        let digit = |at: usize| matches!(bytes[at], b'0'..=b'9' | b'.' | b',' | b'-');
        for at in (0..bytes.len()).filter(|&at| at % 13 == 0 || at < 2 || !(digit(at) && digit(at - 1) && digit(at - 2))) {
            // Most bytes of a SOG are packed pictures, which take long to unpack.
            let odds = [bytes[at] ^ 0x80, 0xff, bytes[at].wrapping_add(1), 0];
            for &odd in &odds[..if format == SplatFormat::Sog { 1 } else { 4 }] {
                damaged[at] = odd;
                read(format, &damaged);
            }
            damaged[at] = bytes[at];
        }
    });
}

#[test]
fn plain_files() {
    damage(SplatFormat::Ply, "a.ply", SplatWriteOptions::default());
    damage(SplatFormat::CompressedPly, "a.compressed.ply", SplatWriteOptions::default());
    damage(SplatFormat::Splat, "a.splat", SplatWriteOptions::default());
}

#[test]
fn spz() {
    damage(SplatFormat::Spz, "a.spz", SplatWriteOptions::default());
    damage(SplatFormat::Spz, "a.spz", SplatWriteOptions { spz_version: 4, ..SplatWriteOptions::default() });
}

#[test]
fn sog() {
    damage(SplatFormat::Sog, "a.sog", SplatWriteOptions::default());
}

#[test]
fn gltf() {
    damage(SplatFormat::Glb, "a.glb", SplatWriteOptions::default());
    damage(SplatFormat::Gltf, "a.gltf", SplatWriteOptions::default());
}

/// A header of SPZ of this version, with so many splats.
fn spz_header(version: u32, n: u32, degree: u8) -> Vec<u8> {
    let mut header = b"NGSP".to_vec();
    header.extend(version.to_le_bytes());
    header.extend(n.to_le_bytes());
    header.extend([degree, 12, 0, if version < 4 { 0 } else { 5 }]);
    header
}

#[test]
fn what_unpacks_to_too_much_is_refused_or_read_no_further() {
    bounded(|| {
        let gzip = |bytes: &[u8]| {
            let mut pack = GzEncoder::new(Vec::new(), Compression::best());
            pack.write_all(bytes).unwrap();
            pack.finish().unwrap()
        };
        let refused = |bytes: &[u8]| read(SplatFormat::Spz, bytes).unwrap();
        // More splats than any packing holds in the file.
        let words = refused(&gzip(&spz_header(3, 4_000_000_000, 3)));
        assert!(words.contains("says that it has 4000000000 splats, more than its "), "{words}");
        // As many as it could hold, and nothing behind the header.
        let words = refused(&gzip(&spz_header(3, 3000, 0)));
        assert!(words.contains("has columns of 0 bytes, and 60000 belong to its splats: it is cut off"), "{words}");
        // Twenty million zeros behind three splats.
        let mut bomb = spz_header(3, 3, 0);
        bomb.resize(20 << 20, 0);
        assert_eq!(read(SplatFormat::Spz, &gzip(&bomb)), None);

        // A stream of Zstandard that says one byte a hundred million times, in 800 blocks that repeat it.
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
        for block in 0..800_u32 {
            let header = (131_072 << 3) | (1 << 1) | u32::from(block == 799);
            frame.extend(&header.to_le_bytes()[..3]);
            frame.push(7);
        }
        let mut file = spz_header(4, 3, 0);
        file.extend(32_u32.to_le_bytes());
        file.resize(32, 0);
        for size in [27_u64, 3, 9, 9, 12] {
            file.extend((frame.len() as u64).to_le_bytes());
            file.extend(size.to_le_bytes());
        }
        (0..5).for_each(|_| file.extend(&frame));
        let words = refused(&file);
        assert!(words.contains("has a stream 0 that does not unpack"), "{words}");
    });
}

#[test]
fn spz_says_what_is_wrong_with_it() {
    let version_4 = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file("a.spz", &SplatWriteOptions { spz_version: 4, ..SplatWriteOptions::default() });
        change(&mut bytes);
        let words = read(SplatFormat::Spz, &bytes).unwrap();
        words.strip_prefix("bytes: ").unwrap().to_owned()
    };
    assert_eq!(version_4(&|b| b[4] = 5), "is of version 5 of SPZ; versions 2, 3 and 4 are read");
    assert_eq!(version_4(&|b| b[4] = 3), "is of version 3 of SPZ and not packed by gzip");
    assert_eq!(version_4(&|b| b[12] = 4), "has harmonics of degree 4; those up to 3 are read");
    assert_eq!(version_4(&|b| b[13] = 25), "has 25 bits behind the point of numbers of 24");
    assert_eq!(version_4(&|b| b[15] = 5), "has 5 streams; splats of degree 1 have 6");
    let words = version_4(&|b| b[16] = 31);
    assert!(words.starts_with("has its table of contents at byte 31 of "), "{words}");
    assert_eq!(version_4(&|b| b[40] = 44), "says that its stream 0 has 44 bytes, and 45 belong to its 5 splats");
    let words = version_4(&|b| b[33] = 200);
    assert!(words.starts_with("has a stream 0 of 512") && words.ends_with("are left: it is cut off"), "{words}");
    assert_eq!(version_4(&|b| b.truncate(10)), "is cut off within its header");
    assert_eq!(version_4(&|b| b[0] = 0), "is no SPZ file: it is neither packed by gzip nor begins with NGSP");
}

/// Changes the JSON of a `.gltf` and reads it.
fn gltf_says(from: &str, to: &str) -> String {
    let text = String::from_utf8(file("a.gltf", &SplatWriteOptions::default())).unwrap();
    assert!(text.contains(from), "{from}");
    let words = read(SplatFormat::Gltf, text.replace(from, to).as_bytes()).unwrap_or_else(|| panic!("{from} {to}"));
    words.strip_prefix("bytes: ").unwrap().to_owned()
}

#[test]
fn gltf_says_what_is_wrong_with_it() {
    assert_eq!(
        gltf_says("\"kernel\":\"ellipse\"", "\"kernel\":\"box\""),
        "has splats of the kernel \"box\"; those of \"ellipse\" are read"
    );
    assert_eq!(gltf_says("\"kernel\":\"ellipse\",", ""), "has splats without a kernel, which KHR_gaussian_splatting asks for");
    assert_eq!(
        gltf_says("\"colorSpace\":\"srgb_rec709_display\",", ""),
        "has splats without a colorSpace, which KHR_gaussian_splatting asks for"
    );
    assert_eq!(gltf_says("srgb_rec709_display", "acescg"), "has colours in the space \"acescg\", which is not known");
    assert_eq!(gltf_says("\"mode\":0", "\"mode\":4"), "has splats in a primitive that is not of points");
    assert_eq!(
        gltf_says("SH_DEGREE_1_COEF_1", "SH_DEGREE_1_COEF_7x"),
        "has splats without KHR_gaussian_splatting:SH_DEGREE_1_COEF_1"
    );
    assert_eq!(
        gltf_says("SH_DEGREE_1_COEF_2", "OTHER"),
        "has 3 coefficients of harmonics; splats of degree 0, 1, 2 and 3 have 1, 4, 9 and 16, none of them left out"
    );
    assert_eq!(
        gltf_says("\"KHR_gaussian_splatting\":{", "\"OTHER\":{"),
        "is glTF without KHR_gaussian_splatting: no splats are in it"
    );
    let old = "{\"asset\":{\"version\":\"2.0\"},\"meshes\":[{\"primitives\":[{\"attributes\":{\"POSITION\":0,\"_ROTATION\":1,\"_SCALE\":2}}]}]}";
    assert_eq!(
        read(SplatFormat::Gltf, old.as_bytes()).unwrap(),
        "bytes: has splats in the attributes _ROTATION and _SCALE of before KHR_gaussian_splatting was written down, which say too little of them"
    );
    assert_eq!(
        gltf_says("\"type\":\"SCALAR\"", "\"type\":\"VEC2\""),
        "has an attribute KHR_gaussian_splatting:OPACITY of VEC2, where SCALAR belongs"
    );
    assert_eq!(gltf_says("\"nodes\":[{\"mesh\":0}]", "\"nodes\":[{\"mesh\":1}]"), "has a node 0 of mesh 1, and 1 meshes");
    assert_eq!(gltf_says("\"nodes\":[{\"mesh\":0}]", "\"nodes\":[{\"children\":[0]}]"), "has a node 0 with two parents");
    assert_eq!(
        gltf_says("data:application/octet-stream;base64,", "data:text/plain,"),
        "has a buffer in a data URI that is not in base64"
    );
    let words = gltf_says("\"uri\":\"data:application/octet-stream;base64,", "\"uri\":\"../../etc/passwd\",\"x\":\"");
    assert_eq!(words, "has a buffer in another file, and none is read here");
    assert_eq!(
        gltf_says("\"extensionsUsed\":", "\"extensionsRequired\":[\"KHR_draco_mesh_compression\"],\"extensionsUsed\":"),
        "requires the extension KHR_draco_mesh_compression, which is not read for splats"
    );
    let flat = gltf_says("\"nodes\":[{\"mesh\":0}]", "\"nodes\":[{\"mesh\":0,\"scale\":[1,1,0]}]");
    assert!(flat.contains("leaves a plane or less of space"), "{flat}");
}
