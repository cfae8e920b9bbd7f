#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_wasm::Exchange;
use tokio::sync::Mutex;

use super::*;
use crate::failure::Failure;

/// A body of which nothing comes, or an error.
struct Poor(Option<Error>);

impl http_body::Body for Poor {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.0.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None => Poll::Pending,
        }
    }
}

/// What becomes of a message whose head waits for its body.
async fn held(side: Side, body: Poor) -> Failure {
    let shared = Shared {
        exchange: Mutex::new(Exchange::gone()),
        remembers: false,
        calling: Default::default(),
        active: Vec::new(),
    };
    let stage = Stage::new(&Arc::new(shared), 0, side, Body::boxed(body));
    stage.admit(true).await.map(drop).unwrap_err().into()
}

#[tokio::test(start_paused = true)]
async fn no_head_waits_for_ever() {
    assert_eq!(held(Side::Request, Poor(None)).await, Failure::StreamIdle);
    assert_eq!(held(Side::Response, Poor(None)).await, Failure::ResponseTimeout);
}

#[tokio::test]
async fn what_another_filter_made_of_a_body_is_told_as_its_doing() {
    let failed = || Stopped::Failed {
        plugin: "default/other".into(),
        reason: Reason::Trap,
    };
    let broken = Error::Producer(Box::new(failed()));
    assert_eq!(held(Side::Request, Poor(Some(broken))).await, failed().into());
    let broken = Error::Producer("something else".into());
    assert_eq!(
        held(Side::Request, Poor(Some(broken))).await,
        Failure::DownstreamBody
    );
}
