//! The inbox of a service: what takes deliveries in, and the tasks that work them off.

use tokio::task::AbortHandle;

use super::handle::WebhookInbox;
use super::intake::Intake;

/// The inbox, and those who work it off for as long as this lives.
#[derive(Debug)]
pub(crate) struct StaffedInbox {
    pub(crate) intake: Intake,
    pub(crate) handle: WebhookInbox,
    pub(crate) staff: Vec<AbortHandle>,
}

impl Drop for StaffedInbox {
    fn drop(&mut self) {
        for task in &self.staff {
            task.abort();
        }
    }
}
