//! Files that PyTorch would not write.

use super::super::unpickled::Value;
use super::super::unpickler::unpickle;
use super::support::{
    Contents, dict, int, ints, legacy, pickle, read_bytes, storage, tensor, tensor_on, text, with_pickle, zip,
};
use crate::weights::{RawTensor, WeightsError};

fn read_pickle(value: &[u8]) -> Result<Contents, WeightsError> {
    read_bytes(&with_pickle(&pickle(value)))
}

/// What is wrong with a file that must be refused.
fn refusal(value: &[u8]) -> String {
    read_pickle(value).map(|_| ()).expect_err("must be refused").to_string()
}

fn numbers(contents: &Contents, name: &str) -> Vec<f32> {
    let (.., numbers) = contents.iter().find(|(found, ..)| found == name).unwrap();
    numbers.as_ref().map(RawTensor::to_f32).unwrap()
}

#[test]
fn zip_and_zip64_are_read_alike() {
    let whole = dict(&[("w", tensor("0", 12, 4, &[2, 2], &[1, 4]))]);
    let contents = read_pickle(&whole).unwrap();
    assert_eq!(numbers(&contents, "w"), [4.0, 8.0, 5.0, 9.0]);
    let storage: Vec<u8> = (0..12).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let wide = zip(&[("a/data.pkl", &pickle(&whole)), ("a/data/0", &storage)], true);
    assert_eq!(numbers(&read_bytes(&wide).unwrap(), "w"), [4.0, 8.0, 5.0, 9.0]);
}

#[test]
fn legacy_files_are_checked_as_zips_are() {
    let whole = dict(&[("w", tensor("0", 12, 4, &[2, 2], &[1, 4]))]);
    let contents = read_bytes(&legacy(&whole, true, 12)).unwrap();
    assert_eq!(numbers(&contents, "w"), [4.0, 8.0, 5.0, 9.0]);
    let refuse = |bytes: &[u8]| read_bytes(bytes).map(|_| ()).expect_err("must be refused").to_string();
    assert!(refuse(&legacy(&whole, false, 12)).contains("little-endian"));
    assert!(refuse(&legacy(&whole, true, 11)).contains("a storage has 11 numbers, its pickle says 12"));
    assert!(refuse(&legacy(&dict(&[]), true, 12)).contains("no tensor views"));
    let half = tensor_on(&storage("storage", "HalfStorage", "0", 12, b""), &[int(0), ints(&[1]), ints(&[1])].concat());
    assert!(
        refuse(&legacy(&dict(&[("w", half), ("v", tensor("0", 12, 0, &[1], &[1]))]), true, 12)).contains("two types")
    );
}

#[test]
fn numbers_keep_their_sign() {
    for (pickled, expected) in [
        (b"\x8a\x01\xff".as_slice(), Value::Int(-1)),
        (b"\x8a\x02\xff\0", Value::Int(255)),
        (b"\x8a\0", Value::Int(0)),
        (b"\x8a\x09\0\0\0\0\0\0\0\0\x01", Value::Other),
        (b"\x8b\x08\0\0\0\0\0\0\0\0\0\0\x80", Value::Int(i64::MIN)),
        (b"J\xfe\xff\xff\xff", Value::Int(-2)),
        (b"M\xfe\xff", Value::Int(65534)),
    ] {
        assert_eq!(unpickle(&pickle(pickled)).unwrap().root, expected, "{pickled:?}");
    }
}

#[test]
fn storages_and_wrappers_are_what_pytorch_writes() {
    let on = |storage: &[u8]| refusal(&dict(&[("w", tensor_on(storage, &[int(0), ints(&[1]), ints(&[1])].concat()))]));
    assert!(on(&storage("module", "FloatStorage", "0", 12, b"")).contains("other than a storage"));
    assert!(on(&storage("storage", "FloatStorage", &"0".repeat(300), 12, b"")).contains("other than a storage"));
    assert!(on(&storage("storage", "Size", "0", 12, b"")).contains("other fields"));
    assert!(on(&storage("storage", "FloatStorage", "0", 12, b"K\x01")).contains("before 0.4"));
    let float = storage("storage", "FloatStorage", "0", 12, b"");
    assert!(refusal(&dict(&[("w", tensor_on(&float, b"K\0(Nt(Nt"))])).contains("1 numbers"));
    let wrap = |arguments: &[u8]| {
        [
            b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\n",
            arguments,
            b"NtR",
        ]
        .concat()
    };
    assert!(refusal(&wrap(b"(ctorch._utils\n_rebuild_nested_tensor\nctorch\nTensor\n)Nt")).contains("other arguments"));
}

#[test]
fn only_the_listed_names_are_accepted() {
    let refused = |value: &[u8]| {
        let error = read_pickle(value).map(|_| ()).expect_err("must be refused");
        let WeightsError::UnsafePickle { object, .. } = error else { panic!("{error}") };
        object
    };
    for name in [
        "posix system",
        "builtins exec",
        "torch load",
        "torch.storage _load_from_bytes",
        "torch._utils _rebuild_xla_tensor",
        "torch ",
        " ",
    ] {
        let (module, attribute) = name.split_once(' ').unwrap();
        let expected = format!("{module}.{attribute}");
        assert_eq!(refused(format!("c{module}\n{attribute}\n").as_bytes()), expected);
        assert_eq!(refused(&[text(module), text(attribute), b"\x93".to_vec()].concat()), expected);
    }
    // The refusal comes before whatever follows is looked at, and can't write to a terminal.
    assert_eq!(refused(b"cposix\nsys\x1b[2Jtem\n\xff\xff\xff"), "posix.sys\\u{1b}[2Jtem");
    // A class is no function, an instruction that calls by name is unknown.
    assert!(refusal(b"ctorch\nFloatStorage\n)R").contains("other arguments"));
    assert!(refusal(b"(iposix\nsystem\n").contains("opcode 0x69"));
}

#[test]
fn bare_pickles_that_run_code_are_refused_as_such() {
    for bytes in [b"cposix\nsystem\n(X\x02\0\0\0lstR.".as_slice(), b"\x80\x02cnt\nsystem\n."] {
        let error = read_bytes(bytes).map(|_| ()).expect_err("must be refused");
        assert!(matches!(error, WeightsError::UnsafePickle { .. }), "{error}");
    }
    let harmless = read_bytes(b"\x80\x02}.").map(|_| ()).expect_err("must be refused");
    assert!(harmless.to_string().contains("not one of PyTorch"), "{harmless}");
}

#[test]
fn repeated_values_cost_a_handle() {
    assert_eq!(size_of::<Value>(), 16);
    // t = (t, t), 100 times: 2^100 values if the memo were copied.
    let doubled: Vec<u8> = (0..100).flat_map(|i| [b'q', i, b'h', i, 0x86]).collect();
    let bomb = pickle(&[b")".as_slice(), &doubled].concat());
    assert!(matches!(unpickle(&bomb).unwrap().root, Value::Tuple(_)));
    // As deep as the bounds allow: nothing may recurse on it, not even dropping.
    let deep = pickle(&[b")".as_slice(), &[0x85; 250_000]].concat());
    assert!(matches!(unpickle(&deep).unwrap().root, Value::Tuple(_)));
}

#[test]
fn everything_is_bounded() {
    assert!(refusal(&[b']'; 300_000]).contains("262144 values"));
    assert!(refusal(&[b'('; 300_000]).contains("262144 values"));
    assert!(refusal(&[b"]q\0".as_slice(), &b"h\0".repeat(300_000)].concat()).contains("262144 values"));
    assert!(refusal(b"]r\xff\xff\xff\x7f").contains("remembers"));
    assert!(refusal(&text(&"a".repeat(70_000))).contains("70000"));
    assert!(refusal(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff").contains("cut short"));
    assert!(refusal(&[b"c".as_slice(), &[b'a'; 1000]].concat()).contains("endless"));
    assert!(refusal(b"\x80\x06").contains("protocol is 6"));
    assert!(refusal(&dict(&[("w", tensor("0", 12, 0, &[1; 9], &[1; 9]))])).contains("9 numbers"));
    let many: Vec<(String, Vec<u8>)> = (0..8_193).map(|i| (i.to_string(), b"h\0".to_vec())).collect();
    let many: Vec<(&str, Vec<u8>)> = many.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert!(refusal(&[tensor("0", 12, 0, &[1], &[1]), b"q\0".to_vec(), dict(&many)].concat()).contains("8192 tensors"));
}

#[test]
fn the_machine_never_takes_what_is_not_there() {
    for broken in [
        b"a".as_slice(),
        b"]a",
        b"(]a",
        b"(e",
        b"(]s",
        b"u",
        b"}(Ku",
        b"t",
        b"\x85",
        b"R",
        b")R",
        b"NR",
        b"Q",
        b")Q",
        b"b",
        b"h\0",
        b"q\0",
        b"\x93",
        b"}(NNNu",
        b"]Nb",
        b"2",
        b"}(",
    ] {
        assert!(matches!(read_pickle(broken), Err(WeightsError::Damaged { .. })), "{broken:?}");
    }
}

#[test]
fn tensors_lie_inside_their_storage() {
    let one = |count, offset, shape: &[i64], strides: &[i64]| {
        read_pickle(&dict(&[("w", tensor("0", count, offset, shape, strides))]))
    };
    assert!(one(12, 0, &[12], &[1]).is_ok());
    assert!(one(12, 11, &[5], &[0]).is_ok());
    assert!(one(12, 12, &[0], &[1]).is_ok());
    assert!(one(12, 0, &[0, 1 << 40], &[1 << 40, 1]).is_ok());
    for (count, offset, shape, strides) in [
        (12, 1, [12, 1], [1, 1]),
        (12, 0, [2, 2], [1, 11]),
        (13, 0, [1, 1], [1, 1]),
        (12, 13, [0, 1], [1, 1]),
        (12, i64::MAX, [1, 1], [1, 1]),
        (i64::MAX, 0, [1, 1], [1, 1]),
        (12, 0, [i64::MAX, i64::MAX], [1, 1]),
        (12, 0, [2, 2], [i64::MAX, i64::MAX]),
        (12, -1, [1, 1], [1, 1]),
        (-12, 0, [1, 1], [1, 1]),
        (12, 0, [-1, 1], [1, 1]),
        (12, 0, [2, 2], [-1, 1]),
    ] {
        let found = one(count, offset, &shape, &strides);
        assert!(matches!(found, Err(WeightsError::Damaged { .. })), "{count} {offset} {shape:?} {strides:?}");
    }
    // Repeating a number takes no room in the file, so it is checked when memory would be.
    let (.., numbers) = one(12, 0, &[1 << 40], &[0]).unwrap().remove(0);
    assert!(matches!(numbers, Err(WeightsError::Unsupported { .. })));
}

#[test]
fn tensors_are_found_one_level_deep() {
    let inner = dict(&[("w", tensor("0", 12, 0, &[2], &[1]))]);
    let nested =
        read_pickle(&dict(&[("epoch", int(3)), ("state_dict", inner.clone()), ("v", tensor("0", 12, 0, &[1], &[1]))]))
            .unwrap();
    assert_eq!(nested.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["w"]);
    assert!(read_pickle(&dict(&[("state_dict", dict(&[("state_dict", inner)]))])).unwrap().is_empty());
    assert!(refusal(b"]").contains("not a dict"));
}

#[test]
fn names_are_single_and_plain() {
    let w = tensor("0", 12, 0, &[2], &[1]);
    assert!(refusal(&dict(&[("w", w.clone()), ("w", w.clone())])).contains("two tensors `w`"));
    assert!(refusal(&dict(&[("w\u{1b}[2J", w.clone())])).contains("plain text"));
    assert!(refusal(&dict(&[(&"w".repeat(600), w.clone())])).contains("plain text"));
    assert!(refusal(&[b"}K\x01".as_slice(), &w, b"s"].concat()).contains("plain text"));
    assert!(refusal(&dict(&[("w", tensor("7", 12, 0, &[2], &[1]))])).contains("storage `7` of tensor `w` is missing"));
}

#[test]
fn zips_that_pytorch_would_not_write_are_refused() {
    let good = pickle(b"}");
    let refuse = |bytes: &[u8]| read_bytes(bytes).map(|_| ()).expect_err("must be refused").to_string();
    assert!(read_bytes(&zip(&[("a/data.pkl", &good)], false)).is_ok());
    assert!(refuse(&zip(&[], false)).contains("neither"));
    assert!(refuse(&zip(&[("a/other", b"")], false)).contains("not a PyTorch file"));
    assert!(refuse(&zip(&[("data.pkl", &good)], false)).contains("not a PyTorch file"));
    assert!(refuse(&zip(&[("a/data.pkl", &good), ("b/data.pkl", &good)], false)).contains("not a PyTorch file"));
    assert!(
        refuse(&zip(&[("a/data.pkl", &good), ("a/data/0", b""), ("a/data/0", b"")], false)).contains("two entries")
    );
    let mut encrypted = zip(&[("a/data.pkl", &good)], false);
    let directory = encrypted.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    encrypted[directory + 8] |= 1;
    assert!(refuse(&encrypted).contains("encrypted"));
    let mut sizes = zip(&[("a/data.pkl", &good)], false);
    sizes[directory + 20] += 1;
    assert!(refuse(&sizes).contains("two sizes"));
    assert!(refuse(&zip(&[("a/b/data.pkl", &good)], false)).contains("not a PyTorch file"));
    // A comment is part of the archive, other bytes at the end are not.
    let mut comment = [zip(&[("a/data.pkl", &good)], false), b"PK\x05\x06".to_vec()].concat();
    assert!(refuse(&comment).contains("cut short"));
    let len = comment.len() - 6;
    comment[len] = 4;
    assert!(read_bytes(&comment).is_ok());
    // The directory refers to something that is no entry.
    let mut entry = with_pickle(&pickle(&dict(&[("w", tensor("0", 12, 0, &[2], &[1]))])));
    let name = entry.windows(8).position(|bytes| bytes == b"m/data/0").unwrap();
    entry[name - 30] = b'Q';
    let (.., numbers) = read_bytes(&entry).unwrap().remove(0);
    assert!(numbers.unwrap_err().to_string().contains("no zip entry"));
    // An entry count and a directory length that the file does not have.
    for (is_zip64, count, len) in [(false, 12, 10), (true, 98 - 32, 98 - 40)] {
        let mut claims = zip(&[("a/data.pkl", &good)], is_zip64);
        let at = claims.len();
        claims[at - count + 1] = 0xf0;
        assert!(refuse(&claims).contains("zip directory is not valid"));
        claims[at - len + 3] = 0xf0;
        assert!(refuse(&claims).contains("claims 61441 entries"));
    }
}
