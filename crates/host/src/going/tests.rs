use std::os::unix::fs::PermissionsExt;

use nix::unistd::{geteuid, mkdtemp};

use super::*;

fn root() -> PathBuf {
    let root = mkdtemp(&std::env::temp_dir().join("ds01-going-XXXXXX")).unwrap();
    let data = root.join("volumes/data/_data");
    fs::create_dir_all(data.join("a/b")).unwrap();
    fs::write(data.join("a/file"), "x").unwrap();
    root
}

#[test]
fn files_are_put_back_or_deleted_and_links_in_them_lead_nowhere() {
    if !geteuid().is_root() {
        return;
    }
    let root = root();
    let (data, kept) = (root.join("volumes/data/_data"), root.join("kept"));
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "kept").unwrap();
    std::os::unix::fs::symlink(&kept, data.join("a/link")).unwrap();
    let take = || Going::take(&root, (7, "data"), &data).unwrap().unwrap();
    let empty = |path: &Path| fs::read_dir(path).unwrap().next().is_none();
    let taken = take();
    assert!(empty(&data));
    taken.put_back().unwrap();
    assert!(data.join("a/file").exists() && empty(&root.join(GOING)));
    // Of one who is there yet, and of one who left it there.
    let taken = take();
    put_back_left(&root, |_, _| true).unwrap();
    assert!(empty(&data));
    drop(taken);
    assert!(gone(&root).unwrap().is_empty());
    put_back_left(&root, |_, _| true).unwrap();
    assert!(data.join("a/file").exists() && empty(&root.join(GOING)));
    drop(take());
    fs::remove_dir_all(root.join("volumes/data")).unwrap();
    put_back_left(&root, |_, _| true).unwrap();
    let mut left = gone(&root).unwrap();
    assert_eq!((left.len(), left[0].uid()), (1, Some(7)));
    assert!(gone(&root).unwrap().is_empty(), "it is being deleted");
    left.remove(0).delete().unwrap();
    assert!(empty(&root.join(GOING)) && kept.join("file").exists());
    // In another place, or by a link.
    fs::create_dir_all(root.join("volumes/other")).unwrap();
    let other = root.join("volumes/other/_data");
    std::os::unix::fs::symlink(&kept, &other).unwrap();
    Going::take(&root, (7, "other"), &other).unwrap_err();
    Going::take(&root, (7, "other"), &kept).unwrap_err();
    assert!(empty(&root.join(GOING)) && kept.join("file").exists());
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn however_deep_it_is_it_goes() {
    let root = root();
    let place = root.join("volumes/data");
    // As deep as no path is long.
    let (data, new) = (place.join("_data"), place.join("new"));
    for _ in 0..20 {
        let bottom = new.join("d/".repeat(500));
        fs::create_dir_all(&bottom).unwrap();
        fs::rename(&data, bottom.join("d")).unwrap();
        fs::rename(&new, &data).unwrap();
    }
    delete(&place).unwrap();
    assert!(!place.exists());
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn the_files_of_a_container_are_put_back_or_deleted() {
    if !geteuid().is_root() {
        return;
    }
    let root = root();
    let own = root.join("overlay2/1f");
    let (diff, going) = (own.join("diff"), root.join(GOING));
    fs::create_dir_all(diff.join("a")).unwrap();
    fs::write(diff.join("a/file"), "x").unwrap();
    lchown(&diff, Some(7), Some(8)).unwrap();
    fs::set_permissions(&diff, fs::Permissions::from_mode(0o751)).unwrap();
    let take = || Going::take_layer(&root, (7, "2e"), &diff).unwrap().unwrap();
    let empty = |path: &Path| fs::read_dir(path).unwrap().next().is_none();
    let put_back = |due: bool| {
        put_back_left(&root, |_, id| {
            assert_eq!(id, Some("2e"));
            due
        })
        .unwrap()
    };
    let taken = take();
    let is = fs::metadata(&diff).unwrap();
    assert_eq!((is.uid(), is.gid(), is.mode() & 0o7777), (7, 8, 0o751));
    assert!(empty(&diff));
    // Nobody else takes them meanwhile: they would be put back where the engine deletes.
    let busy = Going::take_layer(&root, (7, "2e"), &diff).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::WouldBlock);
    taken.put_back().unwrap();
    drop(taken);
    assert!(diff.join("a/file").exists() && empty(&going));
    // Left, while the container is there: not before it is due.
    drop(take());
    put_back(false);
    assert!(empty(&diff));
    put_back(true);
    assert!(diff.join("a/file").exists() && empty(&going));
    // Where there are others by now, none is lost.
    drop(take());
    fs::write(diff.join("other"), "x").unwrap();
    put_back(true);
    assert!(diff.join("other").exists() && !empty(&going) && gone(&root).unwrap().is_empty());
    fs::remove_dir_all(&own).unwrap();
    put_back(true);
    gone(&root).unwrap().remove(0).delete().unwrap();
    assert!(empty(&going));
    assert!(
        Going::take_layer(&root, (7, "2e"), &diff)
            .unwrap()
            .is_none()
    );
    // In another place, by a link, or where others may change it.
    fs::create_dir_all(&diff).unwrap();
    let take = |upper: &Path| Going::take_layer(&root, (7, "2e"), upper).map(drop);
    for other in [
        "overlay2/diff",
        "overlay2/1f",
        "overlay2/1f/../1f/diff",
        "volumes/data/_data",
    ] {
        take(&root.join(other)).unwrap_err();
    }
    std::os::unix::fs::symlink(&own, root.join("overlay2/2f")).unwrap();
    take(&root.join("overlay2/2f/diff")).unwrap_err();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o770)).unwrap();
    take(&diff).unwrap_err();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o710)).unwrap();
    take(&diff).unwrap();
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn who_looks_for_what_was_left_takes_no_place_that_somebody_has() {
    let root = mkdtemp(&std::env::temp_dir().join("ds01-going-XXXXXX")).unwrap();
    let going = root.join(GOING);
    make_folder(&going).unwrap();
    let all_had = std::thread::scope(|scope| {
        let makes = scope.spawn(|| {
            let mut made = (0..500).map(|_| Place::make(&going, 1));
            made.all(|place| place.is_ok_and(|place| place.path.exists()))
        });
        while !makes.is_finished() {
            let _ = put_back_left(&root, |_, _| true);
        }
        makes.join().unwrap()
    });
    assert!(all_had);
    fs::remove_dir_all(root).unwrap();
}
