#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use serde_json::json;

use super::{BYTES_EACH, Cache, Versions};
use crate::fixtures::encode;
use crate::token::Token;

fn token(subject: usize) -> Arc<Token> {
    let payload = json!({"sub": format!("{subject:08}")}).to_string();
    let text = format!("{}.{}.c2ln", encode(r#"{"alg":"ES256"}"#), encode(payload));
    Arc::new(Token::parse(text.as_bytes()).unwrap())
}

#[test]
fn a_token_is_found_by_all_of_its_bytes() {
    let (cache, token) = (Cache::default(), token(1));
    cache.insert(&token, Versions::default().with(7));
    let (found, verified_by) = cache.find(token.text()).unwrap();
    assert!(Arc::ptr_eq(&found, &token) && verified_by.contains(7) && !verified_by.contains(8));
    let mut other = token.text().to_vec();
    *other.last_mut().unwrap() ^= 1;
    assert!(cache.find(&other).is_none());
    assert!(cache.find(&other[..other.len() - 1]).is_none());
    assert!(cache.find(b"").is_none());
    cache.remove(&token);
    assert!(cache.find(token.text()).is_none() && cache.is_empty());
}

#[test]
fn the_same_hash_is_not_the_same_token() {
    let (cache, one, two) = (Cache::default(), token(1), token(2));
    let hash = std::hash::BuildHasher::hash_one(&cache.hasher, two.text().as_ref());
    let mut shard = cache.shard(hash).unwrap().lock().unwrap();
    let entry = super::Entry {
        token: one,
        verified_by: Versions::default().with(7),
    };
    cache.put(&mut shard, hash, entry.clone());
    shard.old.insert(hash, entry);
    drop(shard);
    assert!(cache.find(two.text()).is_none());
}

#[test]
fn what_is_not_asked_for_goes_and_what_is_asked_for_stays() {
    let (cache, kept) = (Cache::new(160, 1 << 30), token(0));
    cache.insert(&kept, Versions::default().with(1));
    for subject in 1..10_000 {
        cache.insert(&token(subject), Versions::default().with(1));
        assert!(cache.find(kept.text()).is_some(), "{subject}");
    }
    assert!(cache.len() <= 160, "{}", cache.len());
    assert!(cache.find(token(1).text()).is_none());
}

#[test]
fn bytes_are_bounded_too() {
    let each = token(0).text().len() * BYTES_EACH;
    let cache = Cache::new(1 << 20, 16 * 2 * 4 * each);
    for subject in 0..10_000 {
        cache.insert(&token(subject), Versions::default());
    }
    assert!(cache.len() <= 16 * 2 * 4, "{}", cache.len());
    assert!(!cache.is_empty());
    // One that is larger than its share is not kept at all.
    let cache = Cache::new(1 << 20, 16 * 2 * (each - 1));
    cache.insert(&token(0), Versions::default());
    assert!(cache.is_empty());
}

#[test]
fn the_latest_key_sets_are_remembered() {
    let versions = (1..=6).fold(Versions::default(), Versions::with);
    let known: Vec<u64> = (1..=6).filter(|version| versions.contains(*version)).collect();
    assert_eq!(known, [3, 4, 5, 6]);
}
