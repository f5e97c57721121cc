//! Every scheme of the catalogue that signs with a shared secret: what an independent signer makes is accepted, and
//! nothing else is. A file added to the catalogue is tested without a word here; a scheme in code needs a signer.

mod coded;
mod declared;
mod sending;
