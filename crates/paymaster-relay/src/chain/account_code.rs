//! Reads the code that an operation's sender runs: its own, then that of whatever it names.

use std::collections::HashSet;

use alloy_primitives::{Address as EthAddress, B256, Bytes, b256};
use alloy_provider::Provider;
use alloy_rpc_client::BatchRequest;
use proto::{Address, Hash, Init, UserOperation};

use super::ChainError;
use super::creation::Factories;
use super::left::{AfterCreation, Left};
use super::node::Node;
use crate::account_code::{AccountCode, CodeAt, Form};
use crate::clients::Asker;
use crate::deployment::Deployment;

const LATEST: &str = "latest";
/// The slots that name code: of ERC-1967, `keccak256("eip1967.proxy.implementation") - 1`; of a
/// Safe's proxy, `singleton`; of Safe 1.4.1, `keccak256("fallback_manager.handler.address")`.
const SLOTS: [B256; 3] = [
    b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"),
    B256::ZERO,
    b256!("6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5"),
];

/// All code that runs, or may run, as the sender. An EIP-7702 authorisation that no hash covers may
/// be void, so that the code of now counts as well.
pub(super) async fn read(
    node: &Node,
    factories: &Factories,
    deployment: &Deployment,
    (op, delegate_beside): (&UserOperation, Option<Address>),
    proxies: &HashSet<Hash>,
    asker: &Asker,
) -> Result<Vec<AccountCode>, ChainError> {
    let delegate = match op.init {
        Init::Eip7702 { delegate, .. } => return Ok(vec![AccountCode::Delegate(code_at(node, delegate).await?)]),
        Init::Factory { .. } | Init::Deployed => delegate_beside,
    };
    let mut all = Vec::new();
    if let Some(delegate) = delegate {
        all.push(AccountCode::Delegate(code_at(node, delegate).await?));
    }
    let now = deployed(node, op.sender).await?;
    let account = match &op.init {
        _ if !now.code.is_empty() => Some(now),
        Init::Factory { factory, data } => {
            let (slots, verification_gas_limit) = (&SLOTS[..], op.verification_gas_limit);
            let creation = AfterCreation { sender: op.sender, slots, verification_gas_limit };
            let entry_point = deployment.entry_point.address;
            factories.left_by(entry_point, (*factory, &data[..]), &creation, asker).await?
        }
        Init::Deployed | Init::Eip7702 { .. } if delegate.is_some() => return Ok(all),
        Init::Deployed | Init::Eip7702 { .. } => Some(now),
    };
    all.push(match account {
        Some(account) => run_by(node, op.sender, &account, proxies).await?,
        None => AccountCode::Unknown,
    });
    Ok(all)
}

/// The code that runs behind an account's own.
async fn run_by(
    node: &Node,
    sender: Address,
    account: &Left,
    proxies: &HashSet<Hash>,
) -> Result<AccountCode, ChainError> {
    // As in proxies, only the lowest 20 bytes of a slot count.
    let named = account.slots.iter().map(|word| Address::from(EthAddress::from_word(*word)));
    let [implementation, singleton, handler] = named.collect::<Vec<_>>()[..] else { return Ok(AccountCode::Unknown) };
    Ok(match Form::of(&account.code, proxies) {
        Form::Designator { to } => AccountCode::Delegate(code_at(node, to).await?),
        Form::Minimal { implementation } => AccountCode::Implementation(code_at(node, implementation).await?),
        Form::Erc1967 => AccountCode::Implementation(code_at(node, implementation).await?),
        Form::Safe => match codes_at(node, &[singleton, handler]).await?[..] {
            [singleton, fallback_handler] => AccountCode::Safe { singleton, fallback_handler },
            _ => AccountCode::Unknown,
        },
        Form::Other => AccountCode::Own(CodeAt::of(sender, &account.code)),
    })
}

/// The account as it is on the chain.
async fn deployed(node: &Node, sender: Address) -> Result<Left, ChainError> {
    let mut batch = BatchRequest::new(node.provider().client());
    let failed = |error| node.describe(&error);
    let account = EthAddress::from(sender);
    let code = batch.add_call::<_, Bytes>("eth_getCode", &(account, LATEST)).map_err(failed)?;
    let mut answers = Vec::new();
    for slot in SLOTS {
        answers.push(batch.add_call::<_, B256>("eth_getStorageAt", &(account, slot, LATEST)).map_err(failed)?);
    }
    node.within(batch.send()).await?.map_err(failed)?;
    let code = code.await.map_err(failed)?;
    let mut slots = Vec::new();
    for answer in answers {
        slots.push(answer.await.map_err(failed)?);
    }
    Ok(Left { code, slots })
}

async fn code_at(node: &Node, address: Address) -> Result<CodeAt, ChainError> {
    let code = node.ask(node.provider().get_code_at(address.into())).await?;
    Ok(CodeAt::of(address, &code))
}

async fn codes_at(node: &Node, addresses: &[Address]) -> Result<Vec<CodeAt>, ChainError> {
    let mut batch = BatchRequest::new(node.provider().client());
    let failed = |error| node.describe(&error);
    let mut answers = Vec::new();
    for address in addresses {
        let params = (EthAddress::from(*address), LATEST);
        answers.push((*address, batch.add_call::<_, Bytes>("eth_getCode", &params).map_err(failed)?));
    }
    node.within(batch.send()).await?.map_err(failed)?;
    let mut codes = Vec::new();
    for (address, answer) in answers {
        codes.push(CodeAt::of(address, &answer.await.map_err(failed)?));
    }
    Ok(codes)
}
