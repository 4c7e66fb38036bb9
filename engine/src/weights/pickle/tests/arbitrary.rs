//! Whatever the bytes, the outcome is tensors or a typed error: no panic, no abort.

use proptest::prelude::*;

use super::support::{dict, golden, pickle, read_bytes, tensor, with_pickle};
use crate::weights::WeightsError;

/// Opcodes and fragments that get a machine into more states than plain bytes do.
fn instruction() -> impl Strategy<Value = Vec<u8>> {
    let opcodes =
        prop::sample::select(b"(.)N}]aesutRbQGJKMXU\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8f\x90\x93\x94\x95".to_vec());
    prop_oneof![
        8 => opcodes.prop_map(|opcode| vec![opcode]),
        2 => (0_u8..6).prop_map(|index| vec![b'q', index]),
        3 => (0_u8..6).prop_map(|index| vec![b'h', index]),
        2 => any::<u8>().prop_map(|value| vec![b'K', value]),
        1 => any::<i64>().prop_map(super::support::int),
        1 => prop::sample::select(vec!["storage", "0", "cpu", "state_dict", "collections", "OrderedDict"]).prop_map(super::support::text),
        1 => prop::sample::select(vec![
            "ctorch._utils\n_rebuild_tensor_v2\n",
            "ctorch._utils\n_rebuild_parameter\n",
            "ctorch._tensor\n_rebuild_from_type_v2\n",
            "ctorch\nFloatStorage\n",
            "ctorch\nSize\n",
            "ctorch\nTensor\n",
        ]).prop_map(|global| global.as_bytes().to_vec()),
        1 => (0_i64..20, prop::collection::vec((0_i64..9, -1_i64..9), 0..9)).prop_map(|(offset, dimensions)| {
            let (shape, strides): (Vec<_>, Vec<_>) = dimensions.into_iter().unzip();
            tensor("0", 12, offset, &shape, &strides)
        }),
    ]
}

fn reference_file() -> impl Strategy<Value = Vec<u8>> {
    let files = ["zip-views", "zip-dtypes", "zip-nested", "zip-protocol-4", "legacy-views"];
    prop::sample::select(files.to_vec())
        .prop_map(|case| std::fs::read(golden("pickle").join(case).join("pytorch_model.bin")).unwrap())
}

/// Every listed tensor has as many numbers as its shape says.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    match read_bytes(bytes) {
        Ok(contents) => {
            for (name, shape, numbers) in contents {
                if let Ok(numbers) = numbers {
                    prop_assert_eq!(numbers.to_f32().len(), shape.iter().product::<usize>(), "{}", name);
                }
            }
        }
        Err(error) => prop_assert!(!matches!(error, WeightsError::Read { .. }), "{}", error),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600), start in prop::sample::select(vec!["", "PK\x03\x04", "\u{0}"])) {
        check(&[start.as_bytes(), &bytes].concat())?;
    }

    #[test]
    fn any_bytes_as_pickle(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&with_pickle(&bytes))?;
    }

    #[test]
    fn any_instructions(instructions in prop::collection::vec(instruction(), 0..80), is_dict in any::<bool>()) {
        let start: &[u8] = if is_dict { b"}q\0(" } else { b"" };
        check(&with_pickle(&pickle(&[start, &instructions.concat(), b"h\0"].concat())))?;
    }

    #[test]
    fn any_view_gives_the_numbers_at_its_places(
        offset in 0_i64..12,
        dimensions in prop::collection::vec((1_i64..4, 0_i64..5), 0..5),
    ) {
        let mut places = vec![offset];
        for (size, stride) in &dimensions {
            places = places.iter().flat_map(|place| (0..*size).map(move |i| place + i * stride)).collect();
        }
        let (shape, strides): (Vec<_>, Vec<_>) = dimensions.into_iter().unzip();
        let found = read_bytes(&with_pickle(&pickle(&dict(&[("w", tensor("0", 12, offset, &shape, &strides))]))));
        let fits = places.iter().all(|place| *place < 12);
        prop_assert_eq!(found.is_ok(), fits);
        if let Ok(found) = found {
            let expected: Vec<f32> = places.iter().map(|place| *place as f32).collect();
            prop_assert_eq!(found[0].2.as_ref().unwrap().to_f32(), expected);
        }
    }

    #[test]
    fn any_change_of_a_valid_file(
        mut bytes in reference_file(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keep in any::<prop::sample::Index>(),
        is_cut in prop::bool::weighted(0.2),
    ) {
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let len = if is_cut { keep.index(bytes.len()) } else { bytes.len() };
        check(&bytes[..len])?;
    }
}
