import Testing

import SluiceHTTP

@Suite struct AddressTextTests {
    @Test(arguments: [
        "127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "fe80::1", "1:2:3:4:5:6:7:8",
        "::ffff:10.0.0.1", "2001:db8::", "1:2:3:4:5:6:7::",
    ])
    func `literals are read`(text: String) { #expect(AddressText(text) != nil) }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.-4", "a.b.c.d", ":", ":::",
        "1::2::3", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1.2.3",
        "fe80::1%lo",
        "::1:", "1.2.3.4:1::",
    ])
    func `what is no literal is not`(text: String) { #expect(AddressText(text) == nil) }

    @Test func `spellings of one address are equal`() {
        #expect(AddressText("::1") == AddressText("0:0:0:0:0:0:0:1"))
        #expect(AddressText("::FFFF:1.2.3.4") == AddressText("::ffff:102:304"))
    }
}
