//! API keys.

use evenkeel::records::{ApiKeyId, ApiKeyRecord, Scope};

use crate::support::{Engine, TestStore, on_both_engines};

on_both_engines!(keys_come_back_and_are_revoked_once);

async fn keys_come_back_and_are_revoked_once(engine: Engine) {
    let test = TestStore::new(engine).await;
    assert!(!test.store.any_api_key().await.unwrap());
    let key = ApiKeyRecord {
        id: ApiKeyId::new(),
        name: "ci".into(),
        scopes: vec![Scope::Read, Scope::Predict],
        secret_sha256: std::array::from_fn(|index| index as u8 * 8),
        created_at: test.store.clock().now(),
        revoked_at: None,
    };
    test.store.insert_api_key(&key).await.unwrap();
    assert_eq!(test.store.api_keys().await.unwrap(), std::slice::from_ref(&key));
    assert_eq!(test.store.api_key_by_id(key.id).await.unwrap(), Some(key.clone()));
    assert_eq!(test.store.api_key_by_id(ApiKeyId::new()).await.unwrap(), None);
    assert!(test.store.any_api_key().await.unwrap());
    test.clock.advance(1.0);
    assert!(test.store.revoke_api_key(key.id).await.unwrap());
    assert!(!test.store.revoke_api_key(key.id).await.unwrap());
    assert!(!test.store.any_api_key().await.unwrap());
    let revoked = ApiKeyRecord { revoked_at: Some(test.store.clock().now()), ..key };
    assert_eq!(test.store.api_keys().await.unwrap(), [revoked]);
}
