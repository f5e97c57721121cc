//! What is seen of every delivery, and what becomes of it under load, in a flood, and when secrets or processes change.

mod canary;
mod flood;
mod life;
mod measured;
mod rotation;
mod slow;
