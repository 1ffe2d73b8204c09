//! The commands of the trusted application: fields, never a bare hash (protocol, section 6).

mod account;
mod admin;
mod attest;
mod batch;
mod info;
mod sponsorship;
mod typed;

pub use account::{
    CreateHybridAccount, CredentialId, GetWalletInfo, PasskeyInfo, PasskeyPublicKey, Registration, SignatureScheme,
    WalletInfo,
};
pub use admin::{
    AdminRequest, AuthorizeSigner, Ceilings, Deployment, PreparePaymasterKey, Provision, RelyingParty, RevokeSigner,
    RotatePaymasterKey, RotateSigner, SetCeilings, SignedCommand,
};
pub use attest::{ATTESTATION_DOMAIN, Attest, AttestReply, ProvisionedKeys, Statement};
pub use batch::{Batch, BatchReply};
pub use info::{
    Echo, Echoed, GetVersion, Hello, Phase, Protection, Provisioned, SecurityState, TaHello, TaVersion,
    VerifySecurityState,
};
pub use sponsorship::{
    PasskeyAssertion, RelayApproval, SignReply, SignWithHybridKey, Sponsor, SponsorReply, user_signature_hash,
};

pub use crate::request::{Opcode, Request};

macro_rules! requests {
    ($($request:ident => $reply:ty,)*) => {
        $(impl Request for $request {
            const OPCODE: Opcode = Opcode::$request;
            type Reply = $reply;
        })*
    };
}

requests! {
    Hello => TaHello,
    Echo => Echoed,
    GetVersion => TaVersion,
    GetWalletInfo => WalletInfo,
    CreateHybridAccount => WalletInfo,
    SignWithHybridKey => SignReply,
    VerifySecurityState => SecurityState,
    Sponsor => SponsorReply,
    Provision => (),
    AuthorizeSigner => (),
    RevokeSigner => (),
    RotateSigner => (),
    SetCeilings => (),
    PreparePaymasterKey => (),
    RotatePaymasterKey => (),
    Batch => BatchReply,
    Attest => AttestReply,
}
