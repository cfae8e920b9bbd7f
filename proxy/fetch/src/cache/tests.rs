use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    cache: Cache,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("a/b"), 100).unwrap();
    Fixture { folder, cache }
}

fn entry(text: &'static str) -> Entry {
    Entry {
        bytes: Bytes::from(text),
        sha256: Digest::of(text.as_bytes()),
        image: Some(Digest::of(b"image")),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect()
}

fn age(path: &Path) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - 2 * UNUSED).unwrap();
}

#[test]
fn what_is_stored_is_found_by_each_name_also_by_the_next_process() {
    let Fixture { folder, cache } = fixture();
    let names = [Name::of(&["a", "b"]), Name::of(&["ab"])];
    cache.store(&names, &entry("module")).unwrap();
    let again = Cache::open(&folder.path().join("a/b"), 100).unwrap();
    for name in names {
        assert_eq!(again.find(name), Some(entry("module")));
    }
    assert_eq!(again.find(Name::of(&["a"])), None);
    assert_eq!(files(&cache.modules).len(), 1);
}

#[test]
fn what_was_changed_on_disk_is_not_served() {
    let Fixture {
        cache,
        folder: _folder,
    } = fixture();
    let name = Name::of(&["a"]);
    for change in [&b"evil"[..], b"", &[0; 200]] {
        cache.store(&[name], &entry("module")).unwrap();
        fs::write(&files(&cache.modules)[0], change).unwrap();
        assert_eq!(cache.find(name), None);
    }
    cache.store(&[name], &entry("module")).unwrap();
    fs::write(&files(&cache.names)[0], r#"{"module": "../../etc/passwd"}"#).unwrap();
    assert_eq!(cache.find(name), None);
}

#[test]
fn only_the_owner_may_look_in() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    Cache::open(&open, 100).unwrap();
    for path in [open.clone(), open.join("modules"), open.join("names")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn what_is_unused_is_removed_and_use_keeps() {
    let Fixture {
        cache,
        folder: _folder,
    } = fixture();
    let (used, unused) = (Name::of(&["used"]), Name::of(&["unused"]));
    cache.store(&[used], &entry("used")).unwrap();
    cache.store(&[unused], &entry("unused")).unwrap();
    fs::write(cache.modules.join(".tmpleft"), "half").unwrap();
    for path in files(&cache.modules).iter().chain(&files(&cache.names)) {
        age(path);
    }
    assert!(cache.find(used).is_some());
    cache.purge(SystemTime::now() - UNUSED);
    assert!(cache.find(used).is_some());
    assert_eq!((files(&cache.modules).len(), files(&cache.names).len()), (1, 1));
}
