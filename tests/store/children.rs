//! Several processes, and one that is killed: this test binary runs itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use portcullis::config::StoreUrl;
use portcullis::secret::Secret;
use portcullis::store::{Existing, NewUser, Store};

use crate::on_both;
use crate::place::{Place, actions, by, names, user};
use crate::races;

/// What a child is told: what to do, which database, and where it is.
const JOB: &str = "PORTCULLIS_STORE_JOB";

on_both!(
    processes_that_start_at_once_all_succeed,
    what_a_killed_process_had_committed_is_there,
    what_a_killed_process_had_not_committed_is_not,
);

/// Users of an import that takes long enough to be killed in.
const MANY: usize = 5000;

/// Runs this test binary again, for `child_process` alone.
pub(crate) fn start(job: &str, url: &StoreUrl) -> Child {
    let place = match url {
        StoreUrl::Sqlite(file) => format!("{job} sqlite {}", file.display()),
        StoreUrl::Postgres(url) => {
            format!(
                "{job} postgres {}",
                std::str::from_utf8(url.expose()).unwrap()
            )
        }
    };
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "children::child_process", "--nocapture"])
        .env(JOB, place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the children do; nothing when the suite runs.
#[expect(clippy::print_stdout, reason = "it is how a child says how far it is")]
#[tokio::test]
async fn child_process() {
    let Ok(job) = std::env::var(JOB) else { return };
    let parts: Vec<&str> = job.splitn(3, ' ').collect();
    let url = match parts[1] {
        "sqlite" => StoreUrl::Sqlite(parts[2].into()),
        _ => StoreUrl::Postgres(Secret::new(parts[2].as_bytes().to_vec())),
    };
    println!();
    let store = Store::open(&url).await.unwrap();
    match parts[0] {
        "open" => {}
        "use" => races::use_as_told(&store).await,
        "go-on" => races::go_on(&store).await,
        "add" => {
            for number in 0.. {
                let new = user(&format!("user-{number}"));
                store.add_user(&new, &by()).await.unwrap();
                println!("added {}", new.name());
            }
        }
        _ => {
            let one = user("x");
            let users: Vec<NewUser> = (0..MANY)
                .map(|number| {
                    let name = format!("user-{number}").parse().unwrap();
                    NewUser::new(name, one.password().cloned())
                })
                .collect();
            println!("importing");
            store
                .import_users(&users, Existing::Fail, None, &by())
                .await
                .unwrap();
        }
    }
    store.close().await;
}

async fn processes_that_start_at_once_all_succeed(place: &Place) {
    let children: Vec<Child> = (0..4).map(|_| start("open", &place.url)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
    }
    place.open().await.close().await;
}

async fn what_a_killed_process_had_committed_is_there(place: &Place) {
    let mut child = start("add", &place.url);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut added = Vec::new();
    while added.len() < 20 {
        let line = lines.next().expect("the child goes on").unwrap();
        added.extend(line.strip_prefix("added ").map(str::to_owned));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died.
    let rest = lines.map_while(Result::ok);
    added.extend(rest.filter_map(|line| Some(line.strip_prefix("added ")?.to_owned())));
    let store = place.open().await;
    let there = names(&store).await;
    for name in &added {
        assert!(there.contains(name), "{name} was committed");
    }
    // One may have been committed whose line was not written.
    assert!(
        there.len() <= added.len() + 1,
        "{} {}",
        there.len(),
        added.len()
    );
    assert_eq!(actions(&store).await.len(), there.len());
    store.add_user(&user("afterwards"), &by()).await.unwrap();
}

async fn what_a_killed_process_had_not_committed_is_not(place: &Place) {
    let mut child = start("import", &place.url);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines
        .next()
        .expect("the child goes on")
        .unwrap()
        .contains("importing")
    {}
    // As soon as it has the lock, or sooner; however far it came, it is all or nothing.
    std::thread::sleep(std::time::Duration::from_millis(30));
    child.kill().unwrap();
    child.wait().unwrap();
    let store = place.open().await;
    // The lock is free again: this waits until the server has noticed.
    store.add_user(&user("afterwards"), &by()).await.unwrap();
    let there = names(&store).await.len() - 1;
    assert!(there == 0 || there == MANY, "{there} of {MANY}");
    assert_eq!(actions(&store).await.len(), there + 1);
}
