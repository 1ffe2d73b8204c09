//! Addresses on the command line.

use proto::{Address, ParseError};

/// An address as people write it: in mixed case its checksum must be correct (ERC-55).
pub fn parse_address(text: &str) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|problem: ParseError| problem.to_string())?;
    let has = |is: fn(&u8) -> bool| text.bytes().skip(2).any(|digit| is(&digit));
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    match address {
        _ if is_mixed && address.to_string() != text => Err("its checksum (ERC-55) is wrong".into()),
        address if address == Address::default() => Err("the zero address is not a key's address".into()),
        address => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_whose_checksum_does_not_hold_is_refused() {
        let right = "0x0000000071727De22E5E9d8BAf0edAc6f37da032";
        assert_eq!(parse_address(right).unwrap().to_string(), right);
        assert!(parse_address(&right.to_lowercase()).is_ok());
        assert!(parse_address(&right.replace("De22", "de22")).unwrap_err().contains("ERC-55"));
        assert!(parse_address("0x0000000000000000000000000000000000000000").is_err());
        assert!(parse_address("0x00").is_err());
    }
}
