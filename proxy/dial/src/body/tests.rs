use super::*;

/// What comes out of `bytes`, in pieces of `size`; and whether it has ended then.
fn read(mut body: Body, bytes: &[u8], size: usize) -> Result<(Vec<u8>, bool), BodyError> {
    let (mut input, mut output) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(size) {
        input.extend_from_slice(piece);
        loop {
            match body.step(&mut input)? {
                Step::Data(length) => {
                    assert!(length > 0, "nothing to do is never data");
                    output.extend_from_slice(&input.split_to(length));
                    body.taken(length);
                }
                Step::More => break,
                Step::End => return Ok((output, true)),
            }
        }
    }
    let ended = body.closed();
    Ok((output, ended))
}

#[test]
fn chunks_in_pieces_of_any_size() {
    let bytes = b"3\r\nabc\r\n10;ext=\"x\"\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\nbeyond";
    for size in 1..=bytes.len() {
        let read = read(Body::Chunk, bytes, size).unwrap();
        assert_eq!(read, (b"abc0123456789abcdef".to_vec(), true), "{size}");
    }
}

#[test]
fn lengths_end_where_they_say() {
    assert_eq!(read(Body::Length(3), b"abcd", 4), Ok((b"abc".to_vec(), true)));
    assert_eq!(read(Body::Length(5), b"abcd", 1), Ok((b"abcd".to_vec(), false)));
    assert_eq!(read(Body::Length(0), b"abcd", 4), Ok((Vec::new(), true)));
    assert_eq!(read(Body::Rest, b"abcd", 2), Ok((b"abcd".to_vec(), true)));
}

#[test]
fn chunks_that_do_not_end_have_not_ended() {
    for bytes in [
        &b"3\r\nab"[..],
        b"3\r\nabc",
        b"3\r\nabc\r",
        b"3\r\nabc\r\n",
        b"3\r\nabc\r\n0\r\n",
    ] {
        assert!(!read(Body::Chunk, bytes, 100).unwrap().1, "{bytes:?}");
    }
}

#[test]
fn what_is_not_chunked_is_an_error() {
    let endless = [b"1;".to_vec(), vec![b'a'; MAX_FRAMING]].concat();
    let trailers = [b"0\r\na: ".to_vec(), vec![b'a'; MAX_FRAMING]].concat();
    for bytes in [
        &b"xyz\r\n"[..],
        b"-1\r\n",
        b"fffffffffffffffff\r\n",
        b"1\r\nabc\r\n",
        b"0\r\n a\r\n\r\n",
        &endless,
        &trailers,
    ] {
        assert_eq!(read(Body::Chunk, bytes, bytes.len()), Err(BodyError), "{bytes:?}");
    }
}
