//! A check examines every file and folder that a start needs, and changes none.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use devkit::EntryPointVersion::V07;
use serde_json::{Value, json};

use super::{refused, without};
use crate::support::{Setup, Signal, World, run_bound_by_modes, write_configuration};

/// A world whose node has run and stopped cleanly, so that its files exist and no process has them
/// open.
async fn stopped() -> World {
    let mut world = World::start(V07).await;
    world.node.signal(Signal::TERM);
    assert!(world.node.ended().await.success());
    world
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Names, modes, modification times and contents.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u32, std::time::SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path, (metadata.permissions().mode(), metadata.modified().unwrap(), content));
        }
    }
    found
}

/// Check and start refuse it in the same way.
async fn refused_by_both(world: &World, change: impl FnOnce(&mut Value), words: &[&str]) {
    let mut configuration = world.configuration.clone();
    change(&mut configuration);
    let file = world.file("checked.toml");
    write_configuration(&configuration, &file);
    let file = file.to_str().unwrap();
    refused(&run_bound_by_modes(&["config", "check", "--config", file]).await, words);
    refused(&run_bound_by_modes(&["node", "--config", file]).await, words);
}

async fn passes(world: &World) -> String {
    let file = world.file("checked.toml");
    write_configuration(&world.configuration, &file);
    let output = run_bound_by_modes(&["config", "check", "--config", file.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_refused_by_check_and_start() {
    let world = stopped().await;
    passes(&world).await;
    let (relay, kms) = (world.file("relay.sqlite"), world.file("kms/gateway.sqlite"));
    for (database, key) in [(&relay, "relay.database"), (&kms, "kms.data_dir")] {
        let mode = fs::metadata(database).unwrap().permissions().mode();
        set_mode(database, 0o400);
        let mut words = vec![database.to_str().unwrap(), "cannot be written"];
        refused_by_both(&world, |_| (), &words).await;
        set_mode(database, mode);

        // SQLite makes its log beside it.
        let folder = database.parent().unwrap();
        set_mode(folder, 0o500);
        words = vec![key, folder.to_str().unwrap(), "cannot be written"];
        let file = world.file("checked.toml");
        refused(&run_bound_by_modes(&["config", "check", "--config", file.to_str().unwrap()]).await, &words);
        set_mode(folder, 0o700);

        let aside = database.with_extension("aside");
        fs::rename(database, &aside).unwrap();
        fs::create_dir(database).unwrap();
        refused_by_both(&world, |_| (), &[database.to_str().unwrap(), "is not a file"]).await;
        fs::remove_dir(database).unwrap();
        fs::rename(&aside, database).unwrap();
    }
    passes(&world).await;
}

#[tokio::test]
async fn a_folder_that_a_start_needs_is_refused_by_check_and_start() {
    let world = stopped().await;
    let database = |all: &mut Value| all["relay"]["database"] = "/proc/nowhere/relay.sqlite".into();
    refused_by_both(&world, database, &["relay.database", "there is no folder /proc/nowhere"]).await;
    let file = world.file("relay-key.passphrase");
    let below_a_file = file.join("kms");
    let data_dir = |all: &mut Value| all["kms"]["data_dir"] = below_a_file.to_str().unwrap().into();
    refused_by_both(&world, data_dir, &[file.to_str().unwrap()]).await;
    let admin = |all: &mut Value| all["bootstrap"]["admin_key_file"] = "/proc/nowhere/admin.key".into();
    refused_by_both(&world, admin, &["bootstrap.admin_key_file", "there is no folder /proc/nowhere"]).await;
    set_mode(&file, 0o000);
    refused_by_both(&world, |_| (), &["relay key", file.to_str().unwrap(), "Permission denied"]).await;
    set_mode(&file, 0o600);
    set_mode(&world.file("relay-key.json"), 0o000);
    refused_by_both(&world, |_| (), &["relay key", "relay-key.json", "Permission denied"]).await;
}

#[tokio::test]
async fn a_link_to_nothing_is_refused_by_check_and_start() {
    let world = stopped().await;
    let link = world.file("link");
    std::os::unix::fs::symlink(world.file("nothing"), &link).unwrap();
    let at = |pointer: &'static str| {
        let link = link.to_str().unwrap();
        move |all: &mut Value| *all.pointer_mut(pointer).unwrap() = link.into()
    };
    refused_by_both(&world, at("/relay/database"), &["relay.database", "symbolic link"]).await;
    refused_by_both(&world, at("/kms/data_dir"), &["kms.data_dir", "there is no folder", "link"]).await;
    refused_by_both(&world, at("/bootstrap/admin_key_file"), &["bootstrap.admin_key_file", "symbolic link"]).await;
    assert!(!world.file("nothing").exists());
}

#[tokio::test]
async fn a_folder_in_place_of_a_file_beside_another_is_refused_by_check_and_start() {
    let world = stopped().await;
    for (name, key) in [
        ("relay.sqlite-wal", "relay.database"),
        ("relay-key.lock", "relay key"),
        ("kms/gateway.lock", "kms.data_dir"),
        ("kms/gateway.sqlite-wal", "kms.data_dir"),
        ("kms/simulator.lock", "kms.data_dir"),
        ("kms/simulator.state", "kms.data_dir"),
    ] {
        let (path, aside) = (world.file(name), world.file("aside"));
        let is_there = path.exists();
        if is_there {
            fs::rename(&path, &aside).unwrap();
        }
        fs::create_dir(&path).unwrap();
        refused_by_both(&world, |_| (), &[key, path.file_name().unwrap().to_str().unwrap(), "is not a file"]).await;
        fs::remove_dir(&path).unwrap();
        if is_there {
            fs::rename(&aside, &path).unwrap();
        }
    }
    passes(&world).await;
}

#[tokio::test]
async fn a_key_of_the_simulator_that_is_not_in_order_is_refused_by_check_and_start() {
    let world = stopped().await;
    let key = world.file("kms/simulator.key");
    let bytes = fs::read(&key).unwrap();
    set_mode(&key, 0o644);
    refused_by_both(&world, |_| (), &["kms.data_dir", "readable by others"]).await;
    set_mode(&key, 0o600);
    fs::write(&key, &bytes[1..]).unwrap();
    refused_by_both(&world, |_| (), &["kms.data_dir", "damaged"]).await;
    fs::remove_file(&key).unwrap();
    refused_by_both(&world, |_| (), &["kms.data_dir", "key file is missing"]).await;
    fs::write(&key, &bytes).unwrap();
    set_mode(&key, 0o600);
    let (state, aside) = (world.file("kms/simulator.state"), world.file("aside"));
    fs::rename(&state, &aside).unwrap();
    refused_by_both(&world, |_| (), &["kms.data_dir", "state is missing"]).await;
    fs::rename(&aside, &state).unwrap();
    passes(&world).await;
}

#[tokio::test]
async fn an_admin_socket_that_cannot_be_made_is_refused_by_check_and_start() {
    let world = stopped().await;
    let at = |path: PathBuf| move |all: &mut Value| all["relay"]["admin_socket"] = path.to_str().unwrap().into();
    let missing = world.file("nowhere");
    let words = ["relay.admin_socket", "there is no folder", missing.to_str().unwrap()];
    refused_by_both(&world, at(missing.join("admin.sock")), &words).await;
    let long = world.file(&"s".repeat(100));
    refused_by_both(&world, at(long), &["relay.admin_socket", "too long"]).await;
    let file = world.file("precious");
    fs::write(&file, "precious").unwrap();
    refused_by_both(&world, at(file.clone()), &["relay.admin_socket", "not a socket"]).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn an_admin_socket_in_use_is_reported_by_a_check_and_fails_a_start() {
    let mut world = stopped().await;
    let fresh = world.file("fresh.sqlite");
    world.configuration["relay"]["database"] = fresh.to_str().unwrap().into();
    let socket = world.file("admin.sock");
    let _ = fs::remove_file(&socket);
    let _other = UnixListener::bind(&socket).unwrap();
    let said = passes(&world).await;
    assert!(said.contains("relay.admin_socket: ") && said.contains("another process serves it"), "{said}");
    let file = world.file("checked.toml");
    let started = run_bound_by_modes(&["node", "--config", file.to_str().unwrap()]).await;
    refused(&started, &["relay.admin_socket", "another process serves it"]);
    assert!(!fresh.exists(), "a start looks before it changes anything");
}

#[tokio::test]
async fn a_check_leaves_every_file_as_it_was() {
    let world = stopped().await;
    let restricted = ["relay-key.json", "relay.sqlite", "kms/gateway.sqlite", "admin.key"].map(|name| world.file(name));
    restricted.iter().for_each(|file| set_mode(file, 0o644));
    write_configuration(&world.configuration, &world.file("checked.toml"));
    let before = snapshot(world.file("").as_path());
    passes(&world).await;
    let mut after = snapshot(world.file("").as_path());
    // This test wrote it.
    let checked = world.file("checked.toml");
    after.get_mut(&checked).unwrap().1 = before[&checked].1;
    let names = |files: &BTreeMap<PathBuf, _>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    for (path, found) in &before {
        assert!(after[path] == *found, "{} was changed", path.display());
    }
}

#[tokio::test]
async fn a_check_asks_the_chain_of_the_account_factory() {
    let world = stopped().await;
    let says = async |factory: Value| {
        let mut configuration = world.configuration.clone();
        configuration["kms"]["factory"] = factory;
        let file = world.file("checked.toml");
        write_configuration(&configuration, &file);
        run_bound_by_modes(&["config", "check", "--config", file.to_str().unwrap()]).await
    };
    let mut factory = world.configuration["kms"]["factory"].clone();
    factory["rpc_url"] = "http://127.0.0.1:1".into();
    refused(&says(factory).await, &["the node at kms.factory.rpc_url cannot be reached: Connection refused"]);
    let mut factory = world.configuration["kms"]["factory"].clone();
    factory["address"] = "0x7777777777777777777777777777777777777777".into();
    refused(&says(factory).await, &["kms.factory", "returned no address"]);
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused_by_check_and_start() {
    let world = stopped().await;
    // Reserved for documentation (RFC 5737).
    refused_by_both(&world, |all| all["listen"]["rpc"] = "192.0.2.1:0".into(), &["192.0.2.1"]).await;
    let apart = Setup::of(V07).prepare().await;
    let mut configuration = apart.configuration.clone();
    without(&mut configuration, "relay");
    configuration["listen"] = json!({ "kms": "192.0.2.1:0" });
    let file = apart.data.path().join("checked.toml");
    write_configuration(&configuration, &file);
    refused(&run_bound_by_modes(&["config", "check", "--config", file.to_str().unwrap()]).await, &["192.0.2.1"]);
}
