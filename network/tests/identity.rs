//! Identities on disk, and one key's names.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use infernet_network::identity::{
    Identity, IdentityError, KdfCost, Keeper, Overwrite, Passphrase, Phrase, peer_id, public_key,
};
use infernet_network::proof::PublicKey;

const CHEAP: KdfCost = KdfCost { memory_kib: 64, passes: 1, lanes: 1 };

fn encrypted(path: &Path, passphrase: &str) -> Keeper {
    Keeper::EncryptedFile { path: path.to_owned(), passphrase: Passphrase::new(passphrase.to_owned()) }
}

fn plain(path: &Path) -> Keeper {
    Keeper::PlainFile { path: path.to_owned() }
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn key(&self) -> PathBuf {
        // A folder that is not there yet.
        self.folder.path().join("data").join("identity.key")
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, IdentityError>) -> &'static str {
    result.unwrap_err().code()
}

/// RFC 8032, section 7.1, test 1; the peer id was put together by hand: base58 of 00 24 08 01 12 20 and the key.
#[test]
fn known_key_and_names() {
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let seed: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&seed[2 * i..2 * i + 2], 16).unwrap()).collect();
    let identity = Identity::from_seed(&seed.try_into().unwrap());
    let key = PublicKey::from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
    assert_eq!(identity.public_key(), key);
    assert_eq!(PublicKey::from(&identity.signing_key()), key);
    assert_eq!(identity.peer_id().to_string(), "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV");
    assert_eq!(peer_id(&key), Some(identity.peer_id()));
    assert_eq!(public_key(&identity.peer_id()), Some(key));
}

#[test]
fn names_that_are_none() {
    // A hash, and a number that is no point of the curve.
    let hashed: libp2p::PeerId = "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC".parse().unwrap();
    assert_eq!(public_key(&hashed), None);
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert_eq!(peer_id(&PublicKey(no_point)), None);
}

#[test]
fn identities_come_back_from_files() {
    let identity = Identity::generate().unwrap();
    let (one, two) = (Place::new(), Place::new());
    plain(&one.key()).store(&identity, Overwrite::Never).unwrap();
    // Once at the real cost.
    encrypted(&two.key(), "correct horse").store(&identity, Overwrite::Never).unwrap();
    for keeper in [plain(&one.key()), encrypted(&two.key(), "correct horse")] {
        assert_eq!(keeper.load().unwrap().signing_key().to_bytes(), identity.signing_key().to_bytes());
        assert_eq!(keeper.peek(), Some(identity.public_key()));
    }
    let secret = identity.signing_key().to_bytes();
    let file = fs::read(two.key()).unwrap();
    assert!(!file.windows(8).any(|window| window == &secret[..8]), "the seed is not in the file");
    // Nothing else is left in the folders.
    for place in [&one, &two] {
        assert_eq!(fs::read_dir(place.key().parent().unwrap()).unwrap().count(), 1);
    }
}

#[test]
fn nothing_is_overwritten_unasked() {
    let place = Place::new();
    let [first, second] = [(); 2].map(|()| Identity::generate().unwrap());
    plain(&place.key()).store(&first, Overwrite::Never).unwrap();
    for keeper in [plain(&place.key()), encrypted(&place.key(), "correct horse")] {
        let error = keeper.store_at_cost(&second, Overwrite::Never, CHEAP).unwrap_err();
        assert_eq!(error.code(), "identity.exists");
        assert!(error.to_string().contains("identity.key"), "{error}");
        assert_eq!(keeper.peek(), Some(first.public_key()));
    }
    plain(&place.key()).store(&second, Overwrite::Replace).unwrap();
    assert_eq!(plain(&place.key()).load().unwrap().public_key(), second.public_key());
    assert_eq!(fs::read_dir(place.key().parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn the_first_start_makes_one_and_the_second_finds_it() {
    let place = Place::new();
    assert_eq!(code(plain(&place.key()).load()), "identity.missing");
    let (made, new) = plain(&place.key()).load_or_create().unwrap();
    assert!(new);
    let (found, new) = plain(&place.key()).load_or_create().unwrap();
    assert!(!new);
    assert_eq!(made.public_key(), found.public_key());
    // What can't be opened is not replaced.
    assert_eq!(code(encrypted(&place.key(), "correct horse").load_or_create()), "identity.not_encrypted");
    fs::write(place.key(), b"infkey1p").unwrap();
    assert_eq!(code(plain(&place.key()).load_or_create()), "identity.damaged");
    assert_eq!(fs::read(place.key()).unwrap(), b"infkey1p");
}

#[test]
fn many_starts_at_once_agree() {
    let place = Place::new();
    let keeper = plain(&place.key());
    let keys: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| keeper.load_or_create().unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(keys.iter().filter(|(_, new)| *new).count(), 1);
    assert!(keys.iter().all(|(identity, _)| identity.public_key() == keys[0].0.public_key()));
}

#[test]
fn passphrases() {
    let place = Place::new();
    let identity = Identity::generate().unwrap();
    let store =
        |passphrase: &str| encrypted(&place.key(), passphrase).store_at_cost(&identity, Overwrite::Replace, CHEAP);
    assert_eq!(code(store("")), "identity.weak_passphrase");
    assert_eq!(code(store("1234567")), "identity.weak_passphrase");
    assert!(!place.key().exists());
    store("12345678").unwrap();
    assert_eq!(code(encrypted(&place.key(), "12345679").load()), "identity.wrong_passphrase");
    assert_eq!(code(encrypted(&place.key(), "").load()), "identity.wrong_passphrase");
    assert_eq!(code(plain(&place.key()).load()), "identity.needs_passphrase");
    assert_eq!(encrypted(&place.key(), "12345678").load().unwrap().public_key(), identity.public_key());
    assert!(!format!("{:?}", encrypted(&place.key(), "12345678")).contains("1234"));
}

#[test]
fn files_that_are_cut_off_or_something_else() {
    let place = Place::new();
    let keeper = encrypted(&place.key(), "correct horse");
    keeper.store_at_cost(&Identity::generate().unwrap(), Overwrite::Never, CHEAP).unwrap();
    let whole = fs::read(place.key()).unwrap();
    for bytes in [&whole[..139], &whole[..100], &whole[..7], &[], &[0; 140], &[0; 100_000]] {
        fs::write(place.key(), bytes).unwrap();
        let error = keeper.load().unwrap_err();
        assert_eq!(error.code(), "identity.damaged");
        assert!(error.to_string().contains("24 words"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn others_may_not_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let keeper = plain(&place.key());
    keeper.store(&Identity::generate().unwrap(), Overwrite::Never).unwrap();
    let mode = || fs::metadata(place.key()).unwrap().permissions().mode() & 0o777;
    let set = |mode| fs::set_permissions(place.key(), fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(mode(), 0o600);
    for bad in [0o644, 0o640, 0o604, 0o660, 0o601] {
        set(bad);
        let error = keeper.load().unwrap_err();
        assert_eq!(error.code(), "identity.permissions");
        let fix = format!("chmod 600 {}", place.key().display());
        assert!(error.to_string().contains(&fix) && error.to_string().contains(&format!("{bad:03o}")), "{error}");
        assert_eq!(keeper.peek(), None);
        assert_eq!(code(keeper.load_or_create()), "identity.permissions");
    }
    set(0o400);
    let kept = keeper.load().unwrap();
    // Replacing makes a new file, whatever the old one's mode.
    set(0o666);
    keeper.store(&kept, Overwrite::Replace).unwrap();
    assert_eq!(mode(), 0o600);
}

#[test]
fn backup_and_restore() {
    let (old, new) = (Place::new(), Place::new());
    let (identity, _) = plain(&old.key()).load_or_create().unwrap();
    let paper = identity.phrase().expose().to_string();
    assert_eq!(paper.split(' ').count(), 24);
    let restored = Identity::from_phrase(&Phrase::parse(&paper).unwrap());
    encrypted(&new.key(), "correct horse").store_at_cost(&restored, Overwrite::Never, CHEAP).unwrap();
    assert_eq!(encrypted(&new.key(), "correct horse").load().unwrap().public_key(), identity.public_key());
}

/// Where there is no keychain (servers, containers) that is said, with the way out; where there is one, it has no such entry.
#[test]
fn a_missing_keychain_is_an_error_with_a_way_out() {
    let keeper = Keeper::Keychain { account: format!("test-{}", std::process::id()) };
    match keeper.load().unwrap_err() {
        error @ IdentityError::Keychain { .. } => assert!(error.to_string().contains("in a file"), "{error}"),
        error => assert_eq!(error.code(), "identity.missing"),
    }
}
