//! States made from states: what a source delivers, with something added.

use std::sync::Arc;

use tokio::sync::watch;

use crate::objects::Objects;
use crate::state::State;

/// Follows `source` with `change` applied to the objects of each state; versions, reports and places stay as they are.
///
/// Ends when the source does, or when nobody listens any more. Has to be called on a tokio runtime.
pub fn derive(
    mut source: watch::Receiver<Arc<State>>,
    change: impl Fn(&Objects) -> Objects + Send + 'static,
) -> watch::Receiver<Arc<State>> {
    let changed = move |state: &State| {
        Arc::new(State {
            objects: Arc::new(change(&state.objects)),
            ..state.clone()
        })
    };
    let first = changed(&source.borrow_and_update().clone());
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                delivered = source.changed() => if delivered.is_err() { return },
                () = sender.closed() => return,
            }
            let state = Arc::clone(&source.borrow_and_update());
            sender.send_replace(changed(&state));
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn every_state_is_changed_and_the_end_is_passed_on() {
        let (sender, source) = watch::channel(Arc::new(State::from_objects(Objects::default())));
        let mut derived = derive(source, |objects| {
            let mut objects = objects.clone();
            objects
                .namespaces
                .insert(cairn_api::meta::Key::new("", "added"), Arc::default());
            objects
        });
        assert_eq!(derived.borrow_and_update().objects.namespaces.len(), 1);
        sender.send_replace(Arc::new(State {
            version: 7,
            ..State::from_objects(Objects::default())
        }));
        derived.changed().await.unwrap();
        assert_eq!(derived.borrow_and_update().version, 7);
        assert_eq!(derived.borrow().objects.namespaces.len(), 1);
        drop(sender);
        assert!(derived.changed().await.is_err());
    }
}
