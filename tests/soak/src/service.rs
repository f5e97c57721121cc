//! The service that is killed, seen from inside and from outside.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use webhooks::{State, WebhookEvent, webhook_listener};

use crate::AnyError;
use crate::deeds::{Deed, Deeds};
use crate::place::Place;

/// The listeners, in the order of the numbers that they have among the deeds.
pub(crate) const LISTENERS: [&str; 2] = ["first", "second"];

const DEEDS: &str = "SOAK_DEEDS";

#[webhook_listener(source = "hmac", id = "first")]
async fn first(event: WebhookEvent, deeds: State<Deeds>) -> webhooks::Result {
    work(0, &event, &deeds).await
}

#[webhook_listener(source = "hmac", id = "second", order_by = "/order")]
async fn second(event: WebhookEvent, deeds: State<Deeds>) -> webhooks::Result {
    work(1, &event, &deeds).await
}

/// One of four takes a moment; one of sixteen fails the first time.
async fn work(listener: u8, event: &WebhookEvent, deeds: &Deeds) -> webhooks::Result {
    let number: u64 = event.id().unwrap_or_default().parse()?;
    deeds.write(number, listener, Deed::Begun)?;
    if number.is_multiple_of(4) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if number % 16 == u64::from(listener) && event.attempt() == 1 {
        return Err("the first time".into());
    }
    deeds.write(number, listener, Deed::Ended)?;
    Ok(())
}

pub(crate) async fn serve() -> Result<(), AnyError> {
    tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::ERROR).init();
    let deeds = std::env::var_os(DEEDS).map(PathBuf::from).ok_or("the service is started by the soak")?;
    let webhooks = webhooks::autoconfigure().state(Deeds::open(&deeds)?).await?;
    Ok(webhooks.serve().await?)
}

/// The service, running.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(place: &Place) -> Result<Self, AnyError> {
        let mut command = program(place)?;
        command.arg("serve").stdout(Stdio::null()).kill_on_drop(true);
        Ok(Self(command.spawn()?))
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<(), AnyError> {
        self.must_live()?;
        Ok(self.0.kill().await?)
    }

    pub(crate) async fn wait_until_ready(&mut self, place: &Place) -> Result<(), AnyError> {
        let began = Instant::now();
        while tokio::net::TcpStream::connect(place.address).await.is_err() {
            self.must_live()?;
            if began.elapsed() > Duration::from_secs(60) {
                return Err("the service does not listen".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Until no run is pending or dead, asked as an operator would. Those that were at work at three kills in a row have
    /// been given up, and are begun afresh.
    pub(crate) async fn wait_until_quiet(&mut self, place: &Place) -> Result<(), AnyError> {
        loop {
            let told = operate(place, &["backlog"]).await?;
            let is_quiet =
                |line: &str| line.contains(": pending 0; dead 0") || line.starts_with("Nothing is pending");
            if told.lines().all(is_quiet) {
                return Ok(());
            }
            self.must_live()?;
            let told = operate(place, &["replay", "--reason", "crash_loop"]).await?;
            if !told.starts_with("0 runs") {
                print!("at work at three kills in a row: {told}");
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn must_live(&mut self) -> Result<(), AnyError> {
        match self.0.try_wait()? {
            Some(status) => Err(format!("the service ended by itself: {status}").into()),
            None => Ok(()),
        }
    }
}

async fn operate(place: &Place, arguments: &[&str]) -> Result<String, AnyError> {
    let told = program(place)?.arg("webhooks").args(arguments).output().await?;
    if told.status.success() {
        Ok(String::from_utf8(told.stdout)?)
    } else {
        Err(String::from_utf8_lossy(&told.stderr).into_owned().into())
    }
}

fn program(place: &Place) -> Result<Command, AnyError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env("WEBHOOKS_CONFIG", place.settings_file()).env(DEEDS, place.deeds());
    command.current_dir(place.folder()).stdin(Stdio::null());
    Ok(command)
}
