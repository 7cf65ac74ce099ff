//! `wasi:sockets/ip-name-lookup` 0.2 and 0.3: names are looked up by the [`NameResolver`], within its limits.
//!
//! The engine's implementation has no limits. Must not know which addresses are open: a guest may learn any address,
//! and each address is checked when it is dialled.

use std::net::IpAddr;
use std::task::{Context, Poll, Waker};
use std::vec;

use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, HasData, Linker, Resource, ResourceTable, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup as p3, types};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;

use crate::guest::network::resolver::{LookupError, NameResolver};

/// The interface of the engine's version.
const P2: &str = "wasi:sockets/ip-name-lookup@0.2.12";

type LookupResult = Result<Vec<IpAddr>, LookupError>;

/// A guest's `resolve-address-stream`.
enum AddressLookup {
    Asked(AbortOnDropJoinHandle<LookupResult>),
    Known(Result<vec::IntoIter<IpAddr>, LookupError>),
}

impl AddressLookup {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<&mut Result<vec::IntoIter<IpAddr>, LookupError>> {
        if let AddressLookup::Asked(asked) = self {
            let Poll::Ready(found) = std::pin::Pin::new(asked).poll(cx) else {
                return Poll::Pending;
            };
            *self = AddressLookup::Known(found.map(Vec::into_iter));
        }
        match self {
            AddressLookup::Known(found) => Poll::Ready(found),
            AddressLookup::Asked(_) => Poll::Pending,
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for AddressLookup {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| self.poll(cx).map(drop)).await;
    }
}

/// Replaces the engine's lookup of 0.2.
pub(crate) fn add_p2_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> LookupView<'_>,
) -> wasmtime::Result<()> {
    let mut lookup = linker.instance(P2)?;
    lookup.resource(
        "resolve-address-stream",
        ResourceType::host::<AddressLookup>(),
        move |mut store, rep| {
            let gone = Resource::<AddressLookup>::new_own(rep);
            view(store.data_mut()).table.delete(gone)?;
            Ok(())
        },
    )?;
    lookup.func_wrap(
        "resolve-addresses",
        move |mut store: StoreContextMut<'_, T>, (network, name): (Resource<Network>, String)| {
            let guest = view(store.data_mut());
            // The network handle stands for the right to look names up.
            guest.table.get(&network)?;
            Ok((start_lookup(guest, name)?,))
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        move |mut store: StoreContextMut<'_, T>, (stream,): (Resource<AddressLookup>,)| {
            let stream = view(store.data_mut()).table.get_mut(&stream)?;
            Ok((next_address(stream),))
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.subscribe",
        move |mut store: StoreContextMut<'_, T>, (stream,): (Resource<AddressLookup>,)| {
            let pollable: Resource<DynPollable> = subscribe(view(store.data_mut()).table, stream)?;
            Ok((pollable,))
        },
    )
}

fn start_lookup(
    guest: LookupView<'_>,
    name: String,
) -> wasmtime::Result<Result<Resource<AddressLookup>, ErrorCode>> {
    let resolver = guest.resolver.clone();
    if NameResolver::is_invalid(&name) {
        return Ok(Err(ErrorCode::InvalidArgument));
    }
    let asked = wasmtime_wasi::runtime::spawn(async move { resolver.resolve(&name).await });
    Ok(Ok(guest.table.push(AddressLookup::Asked(asked))?))
}

fn next_address(stream: &mut AddressLookup) -> Result<Option<IpAddress>, ErrorCode> {
    match stream.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Err(ErrorCode::WouldBlock),
        Poll::Ready(Ok(addresses)) => Ok(addresses.next().map(IpAddress::from)),
        Poll::Ready(Err(error)) => Err(match error {
            LookupError::Invalid => ErrorCode::InvalidArgument,
            LookupError::Unknown => ErrorCode::NameUnresolvable,
            LookupError::Timeout | LookupError::Temporary => ErrorCode::TemporaryResolverFailure,
        }),
    }
}

/// Tells the engine which store data the lookup of 0.3 uses.
pub(crate) struct BoundedLookup;

impl HasData for BoundedLookup {
    type Data<'a> = LookupView<'a>;
}

/// The store data of the lookup interfaces.
pub(crate) struct LookupView<'a> {
    pub(crate) resolver: &'a NameResolver,
    pub(crate) table: &'a mut ResourceTable,
}

impl p3::Host for LookupView<'_> {}

impl<U> p3::HostWithStore<U> for BoundedLookup {
    async fn resolve_addresses(
        store: &Accessor<U, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<types::IpAddress>, p3::ErrorCode>> {
        let resolver = store.with(|mut view| view.get().resolver.clone());
        Ok(match resolver.resolve(&name).await {
            Ok(found) => Ok(found.into_iter().map(types::IpAddress::from).collect()),
            Err(LookupError::Invalid) => Err(p3::ErrorCode::InvalidArgument),
            Err(LookupError::Unknown) => Err(p3::ErrorCode::NameUnresolvable),
            Err(LookupError::Timeout | LookupError::Temporary) => {
                Err(p3::ErrorCode::TemporaryResolverFailure)
            }
        })
    }
}
