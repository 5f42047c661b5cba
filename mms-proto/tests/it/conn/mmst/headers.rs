//! The pieces of the header.

use mms_proto::conn::{Error, Event, Limits};

use super::driver::{Driver, config};
use super::server::{self, File, data};

/// Up to ReadBlock, with a header of this announced length.
fn asking_with(limits: Limits, header_size: u32) -> Result<Driver, Error> {
    let mut driver = Driver::new(config().with_limits(limits));
    let file = File { header_size, ..File::default() };
    driver.try_hear(&[server::connected(), server::funnel(), server::opened(file)].concat())?;
    driver.take_events();
    Ok(driver)
}

fn asking(header_size: usize) -> Driver {
    asking_with(Limits::default(), header_size as u32).unwrap()
}

fn gives(driver: &mut Driver, header: &[u8]) {
    let [Event::Header(got)] = &driver.take_events()[..] else { panic!("one header") };
    assert_eq!(got, header);
    assert!(driver.machine.is_ready());
}

#[test]
fn in_any_number_of_pieces() {
    for (len, piece) in [(450, 450), (450, 225), (450, 449), (10_000, 100), (5000, 3200)] {
        let header = server::header_of(len);
        let mut driver = asking(len);
        driver.hear(&server::pieces_of(&header, piece, 2).concat());
        gives(&mut driver, &header);
    }
}

#[test]
fn with_any_marks() {
    let header = server::header();
    for marks in [[0x04, 0x04, 0x0C], [0x04, 0x00, 0x08], [0x04, 0x04, 0x08], [0x00, 0x00, 0x08], [0x00, 0x00, 0x0C]] {
        // The marks end it; the announced length agrees, or nothing is announced.
        for announced in [server::HEADER_LEN, 0] {
            let mut driver = asking(announced);
            for (at, flags) in marks.into_iter().enumerate() {
                assert!(!driver.machine.is_ready());
                driver.hear(&data(at as u32, 2, flags, &header[at * 150..][..150]));
            }
            gives(&mut driver, &header);
        }
    }
}

#[test]
fn without_marks_the_announced_length_ends_it() {
    let header = server::header();
    for flags in [0x00, 0x04] {
        let mut driver = asking(server::HEADER_LEN);
        driver.hear(&[data(0, 2, flags, &header[..400]), data(1, 2, flags, &header[400..])].concat());
        gives(&mut driver, &header);
    }
}

#[test]
fn with_neither_the_last_field_of_the_data_object_ends_it() {
    let mut header = server::header();
    header[398..400].fill(1); // not the end: the Header Object says that there is more
    let mut driver = asking(0);
    driver.hear(&[data(0, 2, 0, &header[..400]), data(1, 2, 0, &header[400..])].concat());
    gives(&mut driver, &header);
}

/// Two of three must agree: marks, announced length, and the length of the Header Object.
#[test]
fn a_wrong_length_is_found_out() {
    let header = server::header();
    let mut driver = asking(server::HEADER_LEN + 10);
    driver.hear(&server::pieces(2));
    gives(&mut driver, &header);

    let malformed = |announced, pieces: &[Vec<u8>]| {
        let error = asking(announced).try_hear(&pieces.concat()).unwrap_err();
        assert!(matches!(error, Error::Malformed(error) if error.what == "ASF header"), "{error:?}");
    };
    malformed(server::HEADER_LEN, &[data(0, 2, 0x0C, &header[..300])]);
    malformed(server::HEADER_LEN - 1, &[data(0, 2, 0x04, &header)]);
    let mut longer = header.clone();
    longer.extend([0; 8]);
    malformed(server::HEADER_LEN - 8, &[data(0, 2, 0x0C, &longer)]);
}

#[test]
fn pieces_of_a_connection_come_in_order_and_once() {
    let pieces = server::pieces_of(&server::header(), 150, 2);
    for order in [vec![1], vec![0, 2], vec![0, 0], vec![0, 1, 0]] {
        let wrong: Vec<u8> = order.iter().flat_map(|at| pieces[*at].clone()).collect();
        let error = asking(server::HEADER_LEN).try_hear(&wrong).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{order:?}");
    }
}

#[test]
fn the_answer_to_read_block_may_come_at_any_time_or_never() {
    let pieces = server::pieces_of(&server::header(), 150, 2);
    for at in 0..=4 {
        let mut driver = asking(server::HEADER_LEN);
        for (index, piece) in pieces.iter().enumerate() {
            if index == at {
                driver.hear(&server::read_block(2));
            }
            driver.hear(piece);
        }
        driver.hear(&if at == 3 { server::read_block(2) } else { Vec::new() });
        gives(&mut driver, &server::header());
    }
}

/// The first request of a connection: there is nothing else that the pieces could belong to.
#[test]
fn the_first_header_may_have_any_stamp_but_one_only() {
    let pieces = |incarnation| server::pieces_of(&server::header(), 150, incarnation);
    let mut driver = asking(server::HEADER_LEN);
    driver.hear(&pieces(4).concat());
    gives(&mut driver, &server::header());

    let mut driver = asking(server::HEADER_LEN);
    driver.hear(&[pieces(4)[0].clone(), pieces(2)[1].clone(), pieces(4)[1].clone(), pieces(4)[2].clone()].concat());
    gives(&mut driver, &server::header());
}

#[test]
fn a_packet_pair_is_no_piece() {
    let mut driver = asking(server::HEADER_LEN);
    driver.hear(&[data(0xF0F0_F000, 0xFF, 0x10, &[7; 1464]), data(0xF0F0_F001, 0xFF, 0x10, &[7; 1464])].concat());
    driver.hear(&server::pieces(2));
    gives(&mut driver, &server::header());
}

#[test]
fn headers_are_limited_in_bytes_and_pieces() {
    let limits = |header_len| {
        let mut limits = Limits::default();
        limits.header_len = header_len;
        limits
    };
    let is_limit = |error: Error| assert!(matches!(error, Error::Limit { .. }), "{error:?}");
    is_limit(asking_with(limits(449), 450).err().expect("more announced than allowed"));
    is_limit(asking_with(limits(449), 0).unwrap().try_hear(&server::pieces(2)).unwrap_err());
    asking_with(limits(450), 450).unwrap().hear(&server::pieces(2));
    let mut driver = asking(0);
    let empty: Vec<u8> = (0..5000).flat_map(|at| data(at, 2, 0x04, &[])).collect();
    is_limit(driver.try_hear(&empty).unwrap_err());
}
