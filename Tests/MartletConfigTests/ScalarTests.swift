internal import MartletConfig
internal import MartletCore
internal import Testing

private func outcome<Value: Equatable & Sendable>(_ text: String, _ kind: ConfigScalar<Value>) -> Value? {
    try? kind.parse(text).get()
}

@Suite struct ScalarTests {
    @Test(arguments: [
        ("0", Duration.zero), ("250ms", .milliseconds(250)), ("2s", .seconds(2)), ("1.5s", .milliseconds(1500)),
        ("1m", .seconds(60)), ("1h", .seconds(3600)), ("1d", .seconds(86_400)), ("10us", .microseconds(10)),
        ("0.5ms", .microseconds(500)), ("0.001s", .milliseconds(1)),
    ])
    func readsDurations(_ text: String, _ expected: Duration) {
        #expect(outcome(text, .duration(in: .zero...ConfigSection.longestDuration)) == expected)
    }

    @Test(arguments: [
        "", "s", "1", "-1s", "+1s", "1 s", "1S", "1sec", "1s1ms", "1e3s", ".5s", "5.s", "1.2.3s", "0x1s", "٣s",
        "9223372036854775807h", "99999999999999999999s", "366d", "1s\n", "0.0000000000001s",
    ])
    func refusesDurations(_ text: String) {
        #expect(outcome(text, .duration(in: .zero...ConfigSection.longestDuration)) == nil)
    }

    @Test(arguments: [
        ("0", 0), ("512B", 512), ("16KiB", 16_384), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("0.5KiB", 512),
        ("1.5MiB", 3 << 19),
    ])
    func readsSizes(_ text: String, _ expected: Int) {
        #expect(outcome(text, .size(in: 0...ByteCount(Int.max)))?.bytes == expected)
    }

    @Test(arguments: ["", "16", "16K", "16KB", "16kib", "KiB", "-1B", "99999999999999GiB", "1KiBs"])
    func refusesSizes(_ text: String) {
        #expect(outcome(text, .size(in: 0...ByteCount(Int.max))) == nil)
    }

    @Test(arguments: [("0%", 0.0), ("20%", 0.2), ("0.5%", 0.005), ("100%", 1.0)])
    func readsPercentages(_ text: String, _ expected: Double) {
        #expect(outcome(text, .percent(in: 0...1)) == expected)
    }

    @Test(arguments: ["", "%", "20", "0.2", "-1%", "101%", "20 %", "1e1%", "NaN%", "inf%"])
    func refusesPercentages(_ text: String) {
        #expect(outcome(text, .percent(in: 0...1)) == nil)
    }

    @Test(arguments: [("0", 0), ("7", 7), ("-7", -7), ("007", 7)])
    func readsNumbers(_ text: String, _ expected: Int) {
        #expect(outcome(text, .int(in: -10...10)) == expected)
    }

    @Test(arguments: ["", "+7", "-0", "11", "-11", "1.0", "1e1", "0x7", "1_0", "٣", "9223372036854775808", " 1"])
    func refusesNumbers(_ text: String) {
        #expect(outcome(text, .int(in: -10...10)) == nil)
    }

    @Test(arguments: [
        "0.0.0.0:0", "127.0.0.1:65535", "[::]:80", "[::1]:80", "[2001:db8::1]:443", "[fe80::1:2:3]:1",
        "[1:2:3:4:5:6:7:8]:9", "unix:/run/app.sock",
    ])
    func addressesAreWrittenAsRead(_ text: String) {
        #expect(outcome(text, ConfigAddress.scalar(ports: 0...65535))?.description == text)
    }

    @Test(arguments: [
        ("[0:0:0:0:0:0:0:1]:80", "[::1]:80"), ("[2001:DB8:0:0:1:0:0:1]:80", "[2001:db8::1:0:0:1]:80"),
        ("[::ffff:10.0.0.1]:80", "[::ffff:a00:1]:80"), ("[1:0:2:3:4:5:6:7]:80", "[1:0:2:3:4:5:6:7]:80"),
    ])
    func addressesAreCanonical(_ text: String, _ expected: String) {
        #expect(outcome(text, ConfigAddress.scalar(ports: 0...65535))?.description == expected)
    }

    @Test(arguments: [
        "", ":", "1.2.3:80", "1.2.3.4.5:80", "256.0.0.1:80", "01.2.3.4:80", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:-1",
        "1.2.3.4:65536", "::1:80", "[::1]", "[:1]:80", "[1:2]:80", "[1::2::3]:80", "[::12345]:80", "[::1%eth0]:80",
        "[1:2:3:4:5:6:7:8:9]:80", "[1:2:3:4:5:6:7::8]:80", "[::+1]:80", "unix:", "unix:x", "localhost:80", "*:80",
        "unix:/\u{0}", "unix:/" + String(repeating: "x", count: 200), "[1.2.3.4]:80", "[::1.2.3.4:5]:80",
    ])
    func refusesAddresses(_ text: String) {
        #expect(outcome(text, ConfigAddress.scalar(ports: 0...65535)) == nil)
    }

    @Test(arguments: [
        ("listners", "listeners"), ("rout", "router"), ("timout", "timeout"), ("time-out", "timeout"),
        ("TIMEOUT", "timeout"), ("lsiteners", "listeners"),
    ])
    func findsTheNearestName(_ written: String, _ expected: String) {
        #expect(NearestName.of(written, in: ["listeners", "router", "timeout"]) == expected)
    }

    @Test(arguments: ["", "x", "clusters", String(repeating: "timeout", count: 20)])
    func findsNoNameThatIsFar(_ written: String) {
        #expect(NearestName.of(written, in: ["listeners", "router", "timeout"]) == nil)
    }

    @Test(arguments: [
        "0", "1us", "1.5us", "250ms", "1.001us", "1500ms", "1000000.001us", "1s", "90s", "1m", "1h", "36h", "2d",
    ])
    func durationsAreWrittenAsRead(_ text: String) {
        #expect(outcome(text, .duration(in: .zero...ConfigSection.longestDuration)).map(ConfigText.duration) == text)
    }

    @Test(arguments: ["0%", "20%", "0.5%", "0.000001%", "33.333333%", "100%"])
    func percentagesAreWrittenAsRead(_ text: String) {
        #expect(outcome(text, .percent(in: 0...1)).map(ConfigText.percent) == text)
    }

    @Test(arguments: ["0", "1B", "1023B", "1KiB", "1536B", "3MiB", "5GiB"])
    func sizesAreWrittenAsRead(_ text: String) {
        #expect(outcome(text, .size(in: 0...ByteCount(Int.max))).map(ConfigText.size) == text)
    }
}
