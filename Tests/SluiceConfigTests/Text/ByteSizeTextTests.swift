import Testing

@testable import SluiceConfig

@Suite struct ByteSizeTextTests {
    @Test(arguments: [
        ("65536", 65_536), ("64KiB", 65_536), ("64Ki", 65_536), ("32KB", 32_000),
        ("64MiB", 67_108_864), ("1GiB", 1_073_741_824), ("0", 0), ("12B", 12), ("8 KiB", 8_192),
    ])
    func `sizes are bytes or have a unit`(text: String, bytes: Int) throws {
        #expect(try ByteSizeText.parse(text) == bytes)
    }

    @Test(arguments: [
        "", "KiB", "-1", "+1", "1.5MiB", "64M", "64k", "1XB", "99999999999999999999",
        "9223372036854775807KiB", "0x10", "1_000", "٣",
    ])
    func `anything else is refused`(text: String) {
        #expect(throws: ValueProblem.self) { try ByteSizeText.parse(text) }
    }

    @Test(arguments: ["64KiB", "1GiB", "1000", "1TiB", "0", "1025"])
    func `a size is written as it was read`(text: String) throws {
        #expect(ByteSizeText.text(try ByteSizeText.parse(text)) == text)
    }
}
