//! The database: that of `DATABASE_URL`, or one of its own for as long as it runs.

use std::error::Error;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tempfile::TempDir;

/// A way to a database. With one of its own, that ends when this is dropped.
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    /// For people.
    pub(crate) place: String,
    _server: Option<Server>,
}

/// A private server: in a temporary folder, reached by a socket in it and by nobody else.
struct Server {
    process: Child,
    stop: Command,
    folder: TempDir,
}

/// Connects to the database of `DATABASE_URL`, or to one of its own.
pub(crate) async fn open() -> Result<Database, Box<dyn Error>> {
    let Ok(url) = std::env::var("DATABASE_URL") else { return own().await };
    let pool = connections().connect(&url).await.map_err(|error| format!("DATABASE_URL: {error}"))?;
    Ok(Database { pool, place: "that of DATABASE_URL".to_owned(), _server: None })
}

/// Starts a server, and connects to it.
pub(crate) async fn own() -> Result<Database, Box<dyn Error>> {
    let pool = connections();
    let programs = programs().ok_or(
        "there is no PostgreSQL here: install the server (Debian: apt-get install postgresql; macOS: brew install \
         postgresql), or, without --demo, set DATABASE_URL to that of a database of yours",
    )?;
    let mut server = Server::start(&programs)?;
    let options = PgConnectOptions::new_without_pgpass().socket(server.folder.path()).username("postgres");
    let place = format!("a private one in {}, gone when this ends", server.folder.path().display());
    loop {
        match pool.clone().connect_with(options.clone().database("postgres")).await {
            Ok(pool) => return Ok(Database { pool, place, _server: Some(server) }),
            Err(_) if server.process.try_wait()?.is_none() => {
                tokio::time::sleep(Duration::from_millis(50)).await
            }
            Err(error) => return Err(format!("the private PostgreSQL does not start: {error}").into()),
        }
    }
}

fn connections() -> PgPoolOptions {
    PgPoolOptions::new().max_connections(32)
}

/// Where `initdb` and `postgres` are: on the PATH, or where Debian keeps them; the newest.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut of_debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    of_debian.sort();
    let mut folders = std::env::split_paths(&path).chain(of_debian.into_iter().rev());
    folders.find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

impl Server {
    fn start(programs: &Path) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let user = unprivileged()?;
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.arg("-D").arg(&data).current_dir(folder.path()).stdout(Stdio::null());
            // Ctrl-C is for us: the server ends when we have finished.
            command.process_group(0);
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command
        };
        let made = command("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .output()?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let log = fs::File::create(folder.path().join("log"))?;
        let process = command("postgres")
            .args(["-c", "listen_addresses=", "-k"])
            .arg(folder.path())
            .stderr(log)
            .spawn()?;
        let mut stop = command("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--silent"]);
        Ok(Self { process, stop, folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data goes with it, so that it need not end in order.
        let _ = self.stop.status();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// User and group to run the server as, where this is root: PostgreSQL refuses to run as root.
fn unprivileged() -> Result<Option<(u32, u32)>, Box<dyn Error>> {
    if fs::metadata("/proc/self").map_or(true, |it| it.uid() != 0) {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.map(Some)
        .ok_or_else(|| "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`".into())
}
