use super::*;
use crate::tally::Refused;

fn table(total: usize, per_address: usize) -> Arc<Table> {
    Table::new(Bounds { total, per_address, ..Bounds::default() })
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_connection_that_waited_longest_is_replaced_first() {
    let table = table(2, 2);
    let first = table.admit(address("192.0.2.1")).unwrap();
    let second = table.admit(address("192.0.2.2")).unwrap();
    first.connection.answered();
    let _third = table.admit(address("192.0.2.3")).unwrap();
    assert!(second.connection.evicted.is_cancelled());
    assert!(!first.connection.evicted.is_cancelled());
}

#[test]
fn a_request_that_is_being_served_is_never_ended_for_another() {
    let table = table(1, 1);
    let serving = table.admit(address("192.0.2.1")).unwrap();
    serving.connection.serving();
    assert_eq!(table.admit(address("192.0.2.2")).err(), Some(Full::Port { limit: 1 }));
    assert_eq!(table.admit(address("192.0.2.1")).err(), Some(Full::Address { limit: 1 }));
    assert!(!serving.connection.evicted.is_cancelled());
    drop(serving);
    assert!(table.admit(address("192.0.2.2")).is_ok());
}

#[test]
fn a_busy_port_has_room_for_an_address_with_fewer_requests() {
    let table = table(4, 4);
    let serve = |from| {
        let slot = table.admit(address(from))?;
        slot.connection.serving();
        Ok(slot)
    };
    let many: Vec<_> = (0..4).map(|_| serve("192.0.2.1").unwrap()).collect();
    let outranked = || many.iter().filter(|slot| slot.connection.outranked.is_cancelled()).count();
    let _others = [serve("192.0.2.2").unwrap(), serve("192.0.2.2").unwrap()];
    assert_eq!(outranked(), 2);
    assert!(many[0].connection.outranked.is_cancelled(), "the one served longest is ended first");
    // Each now has half of the port.
    assert_eq!(serve("192.0.2.1").err(), Some(Full::Port { limit: 4 }));
    assert_eq!(serve("192.0.2.2").err(), Some(Full::Port { limit: 4 }));
    assert_eq!(outranked(), 2);
    assert_eq!(table.occupied(), Occupied { serving: 4, ..Occupied::default() });
}

#[test]
fn a_reconnecting_flood_ends_only_connections_of_its_own_addresses() {
    let table = table(40, 16);
    let honest: Vec<_> = (0..6).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
    let mut flood = Vec::new();
    for turn in 0..400 {
        flood.push(table.admit(address(&format!("198.51.100.{}", turn % 4))).unwrap());
    }
    let newcomer = table.admit(address("192.0.2.2")).unwrap();
    let evicted = |slots: &[Slot]| slots.iter().filter(|slot| slot.connection.evicted.is_cancelled()).count();
    assert_eq!((evicted(&honest), evicted(&[newcomer])), (0, 0));
    assert_eq!(evicted(&flood), 400 - 33);
    assert_eq!(table.tally().ended, Ended { evicted: 400 - 33, ..Ended::default() });
}

#[test]
fn an_address_with_more_connections_takes_none_from_one_with_fewer() {
    let table = table(4, 4);
    let few = table.admit(address("192.0.2.1")).unwrap();
    let many: Vec<_> = (0..3).map(|_| table.admit(address("192.0.2.2")).unwrap()).collect();
    many.iter().for_each(|slot| slot.connection.serving());
    assert_eq!(table.admit(address("192.0.2.2")).err(), Some(Full::Port { limit: 4 }));
    assert!(!few.connection.evicted.is_cancelled());
    assert_eq!(table.tally().refused, Refused { port: 1, ..Refused::default() });
}

#[test]
fn slow_connections_of_many_addresses_do_not_block_the_port() {
    let table = table(8, 8);
    let slow: Vec<_> = (0..8).map(|host| table.admit(address(&format!("198.51.100.{host}"))).unwrap()).collect();
    let _honest = table.admit(address("192.0.2.1")).unwrap();
    assert!(slow[0].connection.evicted.is_cancelled());
}

#[test]
fn requests_that_arrive_together_are_not_ended_for_each_other_while_another_address_has_more_served() {
    let table = table(8, 8);
    let flood: Vec<_> = (0..7).map(|_| table.admit(address("198.51.100.1")).unwrap()).collect();
    flood.iter().for_each(|slot| slot.connection.serving());
    let kept = table.admit(address("192.0.2.1")).unwrap();
    kept.connection.answered();
    let arriving: Vec<_> = (0..3).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
    assert!(kept.connection.evicted.is_cancelled(), "its own kept connection is ended before anyone's request");
    assert!(arriving.iter().all(|slot| !slot.connection.evicted.is_cancelled()));
    assert_eq!(table.tally().ended, Ended { evicted: 1, outranked: 2, ..Ended::default() });
}

#[test]
fn a_prioritised_connection_is_ended_only_for_one_of_its_own_address() {
    let table = table(4, 2);
    let relay: Vec<_> = (0..2).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
    relay.iter().for_each(|slot| slot.connection.prioritise());
    let admit = |host: u8| table.admit(address(&format!("198.51.100.{host}")));
    let flood: Vec<_> = (0..100).map(|host| admit(host).unwrap()).collect();
    flood.iter().for_each(|slot| slot.connection.serving());
    assert_eq!(admit(100).err(), Some(Full::Port { limit: 4 }));
    assert!(relay.iter().all(|slot| !slot.connection.evicted.is_cancelled()));
    let _own = table.admit(address("192.0.2.1")).unwrap();
    assert!(relay[0].connection.evicted.is_cancelled());
}

#[test]
fn an_address_at_its_limit_replaces_only_its_own_connections() {
    let table = table(10, 1);
    let honest = table.admit(address("192.0.2.1")).unwrap();
    let floods: Vec<_> = (0..20).map(|_| table.admit(address("192.0.2.2")).unwrap()).collect();
    assert!(!honest.connection.evicted.is_cancelled());
    assert!(floods[..19].iter().all(|flood| flood.connection.evicted.is_cancelled()));
}

#[test]
fn sessions_are_replaced_after_clients_that_send_no_request() {
    let table = table(2, 2);
    let session = table.admit(address("192.0.2.1")).unwrap();
    session.connection.upgraded();
    let idle = table.admit(address("192.0.2.2")).unwrap();
    let next = table.admit(address("192.0.2.3")).unwrap();
    assert!(idle.connection.evicted.is_cancelled());
    next.connection.serving();
    let _last = table.admit(address("192.0.2.4")).unwrap();
    assert!(session.connection.evicted.is_cancelled());
}

#[test]
fn sessions_of_one_address_are_replaced_after_a_flood_from_many() {
    let table = table(8, 8);
    let sessions: Vec<_> = (0..4).map(|_| table.admit(address("192.0.2.1")).unwrap()).collect();
    sessions.iter().for_each(|session| session.connection.upgraded());
    let flood: Vec<_> = (0..50).map(|host| table.admit(address(&format!("198.51.100.{host}"))).unwrap()).collect();
    assert!(sessions.iter().all(|session| !session.connection.evicted.is_cancelled()));
    // When everything else is being served, the most silent one of the address with most
    // connections is ended.
    flood.iter().for_each(|slot| slot.connection.serving());
    let _next = table.admit(address("192.0.2.2")).unwrap();
    assert!(sessions[0].connection.evicted.is_cancelled());
}

#[test]
fn simultaneous_handshakes_take_no_more_than_the_share() {
    let table = Table::new(Bounds { upgraded: 2, ..Bounds::default() });
    let slots: Vec<_> = (1..=3).map(|host| table.admit(address(&format!("192.0.2.{host}"))).unwrap()).collect();
    let ask = |slot: usize| table.admit_upgrade(address(&format!("192.0.2.{}", slot + 1)), &slots[slot].connection);
    assert_eq!((ask(0), ask(1), ask(2)), (Ok(()), Ok(()), Err(Full::Upgrades { limit: 2 })));
    assert_eq!(table.tally().refused, Refused { web_sockets: 1, ..Refused::default() });
    // The service answered without an upgrade.
    slots[0].connection.answered();
    assert_eq!(ask(2), Ok(()));
}

#[test]
fn web_sockets_have_a_share_of_the_port_and_of_the_address() {
    let bounds = Bounds { upgraded: 3, upgraded_per_address: 2, ..Bounds::default() };
    let table = Table::new(bounds);
    let mut sessions = Vec::new();
    let mut open = |from| {
        let session = table.admit(address(from)).unwrap();
        table.admit_upgrade(address(from), &session.connection)?;
        session.connection.upgraded();
        sessions.push(session);
        Ok(())
    };
    assert_eq!((open("192.0.2.1"), open("192.0.2.1")), (Ok(()), Ok(())));
    assert_eq!(open("192.0.2.1"), Err(Full::UpgradesOfAddress { limit: 2 }));
    assert_eq!(open("192.0.2.2"), Ok(()));
    // Both addresses then have equally many.
    assert_eq!(open("192.0.2.2"), Err(Full::Upgrades { limit: 3 }));
    sessions.pop();
    let next = table.admit(address("192.0.2.2")).unwrap();
    assert_eq!(table.admit_upgrade(address("192.0.2.2"), &next.connection), Ok(()));
}

#[test]
fn idle_web_sockets_of_few_addresses_keep_no_other_address_from_having_one() {
    let table = Table::new(Bounds { upgraded: 6, upgraded_per_address: 3, ..Bounds::default() });
    let open = |from| {
        let session = table.admit(address(from)).unwrap();
        table.admit_upgrade(address(from), &session.connection).map(|()| {
            session.connection.upgraded();
            session
        })
    };
    let many: Vec<_> = (0..6).map(|turn| open(["192.0.2.1", "192.0.2.2"][turn / 3]).unwrap()).collect();
    let ended = || many.iter().map(|slot| slot.connection.evicted.is_cancelled()).collect::<Vec<_>>();
    let _others = [open("192.0.2.3").unwrap(), open("192.0.2.3").unwrap()];
    assert_eq!(ended(), [true, false, false, true, false, false], "the most silent of each is ended");
    // Three addresses have two each.
    assert_eq!(open("192.0.2.3").err(), Some(Full::Upgrades { limit: 6 }));
    assert_eq!(open("192.0.2.4").map(drop), Ok(()));
}

#[test]
fn the_address_with_most_unread_answers_loses_its_costliest_connection() {
    const MIB: usize = 1 << 20;
    let table = Table::new(Bounds { memory: 100 * MIB, ..Bounds::default() });
    let slots = ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"].map(|from| table.admit(address(from)).unwrap());
    for (slot, bytes) in slots.iter().zip([40, 10, 25, 20]) {
        table.add_untaken(&slot.connection, bytes * MIB);
    }
    let ended = || slots.iter().map(|slot| slot.connection.evicted.is_cancelled()).collect::<Vec<_>>();
    assert_eq!(ended(), [false; 4]);
    slots[1].connection.take(4 * MIB);
    table.add_untaken(&slots[1].connection, 10 * MIB);
    assert_eq!(ended(), [false, false, true, false]);
    assert_eq!((table.kept() / MIB, table.tally().ended.memory), (76, 1));
    // More bytes are written than the answers contain, and answers added after the end count
    // nothing.
    slots[0].connection.take(1000 * MIB);
    table.add_untaken(&slots[2].connection, 1000 * MIB);
    assert_eq!((table.kept() / MIB, ended()), (36, vec![false, false, true, false]));
    drop(slots);
    assert_eq!(table.kept(), 0);
}

#[test]
fn many_small_answers_cost_more_than_their_bytes() {
    let table = Table::new(Bounds { memory: 1 << 20, ..Bounds::default() });
    let slot = table.admit(address("192.0.2.1")).unwrap();
    for _ in 0..100 {
        table.add_untaken(&slot.connection, 41);
    }
    assert!(!slot.connection.evicted.is_cancelled());
    // Half of the bytes are half of the cost, and with the last byte nothing remains.
    slot.connection.take(2_050);
    assert_eq!(table.kept(), 50 * (8192 + 41));
    slot.connection.take(2_050);
    assert_eq!(table.kept(), 0);
    for _ in 0..200 {
        table.add_untaken(&slot.connection, 41);
    }
    assert!(slot.connection.evicted.is_cancelled());
}

#[test]
fn requests_cost_four_times_their_length_until_they_are_answered() {
    let table = Table::new(Bounds { memory: 1000, ..Bounds::default() });
    let [large, small] = ["192.0.2.1", "192.0.2.2"].map(|from| table.admit(address(from)).unwrap());
    table.hold(&large.connection, 150);
    table.hold(&small.connection, 50);
    assert_eq!(table.kept(), 800);
    table.hold(&small.connection, 60);
    assert!(large.connection.evicted.is_cancelled() && !small.connection.evicted.is_cancelled());
    // The cost of an ended connection is not released again.
    large.connection.release(600);
    assert_eq!(table.kept(), 440);
    small.connection.answered();
    assert_eq!(table.kept(), 0);
}

#[test]
fn within_an_address_a_sending_client_is_ended_before_a_served_one() {
    let table = Table::new(Bounds { memory: 1000, ..Bounds::default() });
    let [busy, body, message] = [(); 3].map(|()| table.admit(address("192.0.2.1")).unwrap());
    table.hold(&busy.connection, 200);
    busy.connection.serving();
    body.connection.receiving_body();
    table.hold(&body.connection, 30);
    message.connection.upgraded();
    message.hold_incomplete(60);
    assert!(message.connection.evicted.is_cancelled() && !body.connection.evicted.is_cancelled());
    table.hold(&busy.connection, 25);
    assert!(body.connection.evicted.is_cancelled(), "then the other");
    assert!(!busy.connection.evicted.is_cancelled());
}

#[test]
fn no_address_loses_a_connection_to_one_that_costs_more() {
    let table = Table::new(Bounds { memory: 1000, ..Bounds::default() });
    let costly = [(); 3].map(|()| table.admit(address("192.0.2.1")).unwrap());
    for slot in &costly {
        slot.connection.upgraded();
        slot.hold_incomplete(82);
    }
    let honest = table.admit(address("192.0.2.2")).unwrap();
    honest.connection.receiving_body();
    table.hold(&honest.connection, 60);
    assert!(!honest.connection.evicted.is_cancelled());
    assert_eq!(costly.iter().filter(|slot| slot.connection.evicted.is_cancelled()).count(), 1);
}

#[test]
fn half_of_a_port_is_kept_and_an_eighth_for_one_address() {
    let table = table(16, 16);
    let kept = |from, count: usize| {
        let slots: Vec<_> = (0..count).map(|_| table.admit(address(from)).unwrap()).collect();
        slots.iter().for_each(|slot| table.prioritise(address(from), &slot.connection));
        let is_kept = slots.iter().filter(|slot| slot.connection.is_prioritised()).count();
        (is_kept, slots)
    };
    let (of_one, _one) = kept("192.0.2.1", 4);
    let others = ["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"].map(|from| kept(from, 2));
    assert_eq!((of_one, others.map(|(count, _)| count)), (2, [2, 2, 2, 0]));
}

#[test]
fn a_client_is_an_ipv4_address_or_a_48_of_ipv6() {
    assert_eq!(client(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    assert_eq!(client(address("2001:db8::1")), client(address("2001:db8:0:ffff::1")));
    assert_ne!(client(address("2001:db8::1")), client(address("2001:db8:1::1")));
}

#[test]
fn slots_are_released() {
    let table = table(1, 1);
    for _ in 0..3 {
        let slot = table.admit(address("192.0.2.1")).unwrap();
        slot.connection.serving();
    }
    assert!(table.open().per_address.is_empty());
}
