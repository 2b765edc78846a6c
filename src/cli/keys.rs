//! `evenkeel keys`: API keys. The secret is shown once, when a key is made; only its hash is stored.

use clap::Subcommand;

use super::CliError;
use super::service::StoreArgs;
use crate::http::auth::new_api_key;
use crate::records::{ApiKeyId, Scope};

/// Settings of `evenkeel keys`.
#[derive(Debug, clap::Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, once.
    Create {
        /// What the key is for.
        #[arg(long)]
        name: String,
        /// What the key may do: read, predict, train, admin.
        #[arg(long, value_delimiter = ',', default_value = "read,predict,train")]
        scopes: Vec<Scope>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List all keys, never their secrets.
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Make a key useless from now on.
    Revoke {
        id: ApiKeyId,
        #[command(flatten)]
        store: StoreArgs,
    },
}

pub(super) async fn run(args: KeysArgs) -> Result<(), CliError> {
    match args.action {
        Action::Create { name, scopes, store } => create(name, scopes, &store).await,
        Action::List { store } => list(&store).await,
        Action::Revoke { id, store } => revoke(id, &store).await,
    }
}

async fn create(name: String, scopes: Vec<Scope>, store: &StoreArgs) -> Result<(), CliError> {
    let store = store.open().await?;
    let (record, token) = new_api_key(name, scopes, store.clock().now())
        .map_err(|error| CliError::work("a key cannot be made", error))?;
    store.insert_api_key(&record).await.map_err(CliError::Store)?;
    eprintln!("This is the only time the key is shown:");
    println!("{token}");
    Ok(())
}

async fn list(store: &StoreArgs) -> Result<(), CliError> {
    let store = store.open().await?;
    for key in store.api_keys().await.map_err(CliError::Store)? {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let state = key.revoked_at.map_or_else(|| "active".to_owned(), |at| format!("revoked {}", at.to_rfc3339()));
        println!("{}  {:<24} {:<28} {}  {state}", key.id, key.name, scopes.join(","), key.created_at.to_rfc3339());
    }
    Ok(())
}

async fn revoke(id: ApiKeyId, store: &StoreArgs) -> Result<(), CliError> {
    let store = store.open().await?;
    if store.revoke_api_key(id).await.map_err(CliError::Store)? {
        println!("revoked {id}");
        Ok(())
    } else {
        Err(CliError::Usage(format!("there is no active key {id}")))
    }
}
