//! Every method there is: its name, and what an API key needs for it.

use crate::clients::Scope;

/// Every method there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    SponsorWithTee,
    SponsorWithPasskey,
    GetSponsorshipIntent,
    GetPaymasterStubData,
    GetPaymasterData,
    SupportedEntryPoints,
    ChainId,
    GetAccountInfo,
    CreateAccountInvitation,
    EthChainId,
    NetVersion,
    ClientVersion,
}

impl Method {
    pub(super) const ALL: [Self; 12] = [
        Self::SponsorWithTee,
        Self::SponsorWithPasskey,
        Self::GetSponsorshipIntent,
        Self::GetPaymasterStubData,
        Self::GetPaymasterData,
        Self::SupportedEntryPoints,
        Self::ChainId,
        Self::GetAccountInfo,
        Self::CreateAccountInvitation,
        Self::EthChainId,
        Self::NetVersion,
        Self::ClientVersion,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SponsorWithTee => "pm_sponsor_with_tee",
            Self::SponsorWithPasskey => "pm_sponsor_with_passkey",
            Self::GetSponsorshipIntent => "pm_getSponsorshipIntent",
            Self::GetPaymasterStubData => "pm_getPaymasterStubData",
            Self::GetPaymasterData => "pm_getPaymasterData",
            Self::SupportedEntryPoints => "pm_supportedEntryPoints",
            Self::ChainId => "pm_chainId",
            Self::GetAccountInfo => "pm_get_account_info",
            Self::CreateAccountInvitation => "pm_createAccountInvitation",
            // What providers (ethers, web3.py) ask before anything else.
            Self::EthChainId => "eth_chainId",
            Self::NetVersion => "net_version",
            Self::ClientVersion => "web3_clientVersion",
        }
    }

    pub(super) fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).to_vec()
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// What an API key needs for it; public facts need nothing.
    pub(super) const fn scope(self) -> Option<Scope> {
        match self {
            Self::SponsorWithTee
            | Self::SponsorWithPasskey
            | Self::GetSponsorshipIntent
            | Self::GetPaymasterStubData
            | Self::GetPaymasterData => Some(Scope::Sponsor),
            Self::GetAccountInfo => Some(Scope::Accounts),
            Self::CreateAccountInvitation => Some(Scope::Invite),
            Self::SupportedEntryPoints | Self::ChainId | Self::EthChainId | Self::NetVersion | Self::ClientVersion => {
                None
            }
        }
    }
}
