//! The end of the demo: immediate, or on a signal.

use devkit::EntryPointVersion;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::Outcome;
use crate::args::{Args, DEFAULT_ORIGIN};
use crate::product::LOG;
use crate::story::Story;
use crate::world::World;

/// Stops the node; requests in flight finish.
pub async fn stop(world: &mut World) -> Outcome<()> {
    match world.node().stop().await? {
        status if status.success() => Ok(()),
        status => Err(world.explain(&format!("the node ended with {status}")).into()),
    }
}

/// Prints where everything is, and runs until a signal arrives, or the node ends.
pub async fn until_interrupted(world: &mut World, story: &Story, args: &Args) -> Outcome<()> {
    story.say("running", &format!("JSON-RPC at {}, KMS at {}", world.rpc_url(), world.kms_url()));
    story.more(&format!("status and metrics at {}, chain at {}", world.ops_url()?, world.chain_url()));
    if let Some(page) = world.page() {
        story.say("page", &format!("open {page}: every step with a button, in a browser with passkeys"));
    }
    if world.version() == EntryPointVersion::V07 {
        let page = format!("page at {}, once started", world.origin());
        story.more(&format!("{page}: (cd examples/viem-page && {})", start_page(world, args)));
    }
    let file = world.file().display();
    story.more(&format!("configuration {file}, log {LOG} beside it; Ctrl-C stops and removes it"));

    let listen = |kind| signal(kind);
    let (mut interrupt, mut terminate, mut hangup) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    let ended = tokio::select! {
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        _ = hangup.recv() => None,
        status = world.node().ended() => Some(status?),
    };
    match ended {
        None => stop(world).await,
        Some(status) => Err(world.explain(&format!("the node ended with {status}")).into()),
    }
}

/// The command that starts the example page with this demo's URLs in its build. The relay is the
/// page's bundler if it passes calls on to one; otherwise the page's defaults name the bundler.
fn start_page(world: &World, args: &Args) -> String {
    let mut urls = json!({ "rpc": world.rpc_url(), "kms": world.kms_url(), "chain": world.chain_url() });
    if args.bundler.is_some() {
        urls["bundler"] = world.rpc_url().into();
    }
    let start = format!("npm start -- '--define:URLS={urls}'");
    match world.origin().split_once("://") {
        Some((_, address)) if world.origin() != DEFAULT_ORIGIN => format!("{start} --serve={address}"),
        _ => start,
    }
}
