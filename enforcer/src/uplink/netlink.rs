//! The kernel's tables of links and routes, and news of them (rtnetlink).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a message has dozens of attributes, and a few matter here"
)]

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
    pin::Pin,
    time::Duration,
};

use futures_util::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use rtnetlink::{
    Handle, MulticastGroup, RouteMessageBuilder, new_multicast_connection,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{
        RouteNetlinkMessage,
        link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage},
        route::{RouteAttribute, RouteMessage, RouteType},
        tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption},
    },
    sys::SocketAddr,
};
use tokio::task::JoinHandle;

use super::{Choice, Filter, Found, Kind, Link, Route, select};

/// News come in bursts; what follows within this time is looked at together.
const BURST: Duration = Duration::from_millis(5);

/// The kernel did not tell its links or routes.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// No netlink socket.
    #[error("open a netlink socket")]
    Open(#[source] std::io::Error),
    /// A table.
    #[error("read the table of {table}")]
    Read {
        /// Which one.
        table: &'static str,
        /// Why.
        #[source]
        source: rtnetlink::Error,
    },
    /// A device that was named.
    #[error("no device {}; there are {}", missing.join(", "), present.join(", "))]
    Missing {
        /// What was named and is not there.
        missing: Vec<String>,
        /// What is.
        present: Vec<String>,
    },
}

/// The uplinks of the agent's network namespace, as they come and go.
pub struct Watch {
    choice: Choice,
    handle: Handle,
    news: Pin<Box<dyn Stream<Item = News> + Send>>,
    connection: JoinHandle<()>,
    /// The devices that were found last.
    held: BTreeSet<u32>,
}

type News = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr);

impl Watch {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// [`UplinkError::Open`].
    pub fn new(choice: Choice) -> Result<Self, UplinkError> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Route, MulticastGroup::Ipv6Route];
        let (connection, handle, news) =
            new_multicast_connection(&groups).map_err(UplinkError::Open)?;
        let connection = tokio::spawn(connection);
        Ok(Self { choice, handle, news: Box::pin(news), connection, held: BTreeSet::new() })
    }

    /// What is chosen, as it is now.
    ///
    /// # Errors
    ///
    /// [`UplinkError::Read`].
    pub async fn find(&mut self) -> Result<Found, UplinkError> {
        if self.choice == Choice::None {
            return Ok(Found::default());
        }
        let links = links(&self.handle).await?;
        let routes = if self.choice == Choice::Auto { routes(&self.handle).await? } else { vec![] };
        let found = select(&self.choice, &links, &routes, &self.held);
        self.held = found.uplinks.iter().map(|uplink| uplink.index).collect();
        Ok(found)
    }

    /// As [`Self::find`], where every device that was named has to be there.
    ///
    /// # Errors
    ///
    /// [`UplinkError::Missing`], with those that are there.
    pub async fn find_all(&mut self) -> Result<Found, UplinkError> {
        let found = self.find().await?;
        if found.missing.is_empty() {
            return Ok(found);
        }
        let present = links(&self.handle).await?.into_iter().map(|link| link.name).collect();
        Err(UplinkError::Missing { missing: found.missing, present })
    }

    /// The filters of a device's clsact queueing discipline that run programs; none where it has no
    /// such discipline, or is gone.
    ///
    /// # Errors
    ///
    /// [`UplinkError::Read`].
    pub async fn filters(&self, index: u32) -> Result<Vec<Filter>, UplinkError> {
        let failed = |source| UplinkError::Read { table: "filters", source };
        let index = i32::try_from(index).unwrap_or(0);
        let mut filters = Vec::new();
        for is_egress in [false, true] {
            let request = self.handle.traffic_filter(index).get();
            let request = if is_egress { request.egress() } else { request.ingress() };
            let messages: Result<Vec<TcMessage>, _> = request.execute().try_collect().await;
            match messages {
                Ok(messages) => {
                    filters.extend(messages.iter().filter_map(|it| filter_of(it, is_egress)));
                }
                Err(rtnetlink::Error::NetlinkError(error)) if is_absence(&error.to_io()) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(filters)
    }

    /// Waits for news that may change what is chosen.
    pub async fn changed(&mut self) {
        if self.choice == Choice::None {
            return std::future::pending().await;
        }
        loop {
            let Some((message, _)) = self.news.next().await else {
                // The connection has ended; the agent's housekeeping goes on looking.
                return std::future::pending().await;
            };
            if !self.is_of_interest(&message) {
                continue;
            }
            tokio::time::sleep(BURST).await;
            while let Some(Some(_)) = self.news.next().now_or_never() {}
            return;
        }
    }

    /// Routes by a device that is judged already tell nothing new, and there may be a million.
    fn is_of_interest(&self, message: &NetlinkMessage<RouteNetlinkMessage>) -> bool {
        match &message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
                leading_out(route).iter().any(|route| !self.held.contains(&route.device))
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRoute(_)) => false,
            _ => true,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Whether there is no device or no queueing discipline (`__tcf_qdisc_find`, `net/sched/cls_api.c`,
/// 6.18: ENODEV, EINVAL, ENOENT).
fn is_absence(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    let absent = [Errno::ENODEV, Errno::EINVAL, Errno::ENOENT];
    error.raw_os_error().is_some_and(|code| absent.contains(&Errno::from_raw(code)))
}

fn filter_of(message: &TcMessage, is_egress: bool) -> Option<Filter> {
    let options = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    })?;
    let program = options.iter().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
        _ => None,
    })?;
    let handle = message.header.handle.into();
    // The protocol is in the lower half.
    Some(Filter { is_egress, priority: message.header.info >> 16, handle, program })
}

async fn links(handle: &Handle) -> Result<Vec<Link>, UplinkError> {
    let failed = |source| UplinkError::Read { table: "links", source };
    let messages = handle.link().get().execute();
    let links: Vec<LinkMessage> = messages.try_collect().await.map_err(failed)?;
    Ok(links.iter().map(link_of).collect())
}

fn link_of(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        hardware: message.header.link_layer_type.into(),
        kind: Kind::Hardware,
        master: None,
        lower: None,
    };
    let mut is_lower_elsewhere = false;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Controller(master) => link.master = Some(*master),
            LinkAttribute::Link(lower) if *lower != 0 => link.lower = Some(*lower),
            LinkAttribute::LinkNetNsId(_) => is_lower_elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        link.kind = kind_of(kind);
                    }
                }
            }
            _ => {}
        }
    }
    if is_lower_elsewhere {
        link.lower = None;
    }
    link
}

fn kind_of(kind: &InfoKind) -> Kind {
    match kind {
        InfoKind::Bridge => Kind::Bridge,
        InfoKind::Bond | InfoKind::Team => Kind::Bond,
        InfoKind::Vlan
        | InfoKind::MacVlan
        | InfoKind::MacVtap
        | InfoKind::IpVlan
        | InfoKind::IpVtap => Kind::Upper,
        _ => Kind::Other,
    }
}

/// The routes of all tables that lead away from the node.
async fn routes(handle: &Handle) -> Result<Vec<Route>, UplinkError> {
    let failed = |source| UplinkError::Read { table: "routes", source };
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
    let mut found = Vec::new();
    for request in [v4, v6] {
        let mut routes = handle.route().get(request).execute();
        while let Some(route) = routes.try_next().await.map_err(failed)? {
            found.extend(leading_out(&route));
        }
    }
    Ok(found)
}

/// The devices that a route leads out by, where it leads away from the node.
fn leading_out(message: &RouteMessage) -> Vec<Route> {
    if message.header.kind != RouteType::Unicast {
        return Vec::new();
    }
    let is_default = message.header.destination_prefix_length == 0;
    let is_gateway = |attribute: &RouteAttribute| {
        matches!(attribute, RouteAttribute::Gateway(_) | RouteAttribute::Via(_))
    };
    let mut devices = Vec::new();
    let leads_away = is_default || message.attributes.iter().any(is_gateway);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(device) if leads_away => devices.push(Route { device: *device }),
            RouteAttribute::MultiPath(hops) => {
                let away =
                    hops.iter().filter(|hop| is_default || hop.attributes.iter().any(is_gateway));
                devices.extend(away.map(|hop| Route { device: hop.interface_index }));
            }
            _ => {}
        }
    }
    devices
}
