import SluiceReactor
import Testing

@Suite struct SHA256DigestTests {
    /// Source: NIST, Secure Hashing, example values; the third is of two blocks.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func `the digest is that of the standard`(text: String, expected: String) {
        let bytes = Array(text.utf8)
        let digest = SHA256Digest(of: bytes.span)
        #expect(digest != nil)
        #expect(digest == SHA256Digest(hexadecimal: expected))
        #expect(digest == SHA256Digest(hexadecimal: expected.uppercased()))
    }

    @Test func `one digit more, less or other is another digest or none`() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        let digest = SHA256Digest(hexadecimal: text)
        for index in text.indices {
            var other = text
            other.replaceSubrange(index...index, with: text[index] == "0" ? "1" : "0")
            #expect(SHA256Digest(hexadecimal: other) != digest)
            other.replaceSubrange(index...index, with: "g")
            #expect(SHA256Digest(hexadecimal: other) == nil)
        }
        #expect(SHA256Digest(hexadecimal: text + "0") == nil)
        #expect(SHA256Digest(hexadecimal: String(text.dropLast())) == nil)
    }
}
