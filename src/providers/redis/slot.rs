//! Which slot of a cluster a key lives in.

/// How many slots there are.
pub const SLOTS: usize = 16_384;

/// The slot of `key`: of what stands between its first braces, where there is something.
pub fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inside = &key[open + 1..];
        inside.iter().position(|byte| *byte == b'}').filter(|length| *length > 0).map(|length| &inside[..length])
    });
    crc16(tag.unwrap_or(key)) % 16_384
}

/// CRC-16/XMODEM, which the cluster specification names.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| CRC[usize::from((crc >> 8) as u8 ^ byte)] ^ (crc << 8))
}

static CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        let check = |key: &str, expected: u16| assert_eq!(slot(key.as_bytes()), expected, "{key}");
        check("foo", 12_182);
        check("{foo}.bar", 12_182);
        check("x{foo}{bar}", 12_182);
        check("foo{}bar", slot(b"foo{}bar"));
        assert_eq!(slot(b"{}"), crc16(b"{}") % 16_384);
    }
}
