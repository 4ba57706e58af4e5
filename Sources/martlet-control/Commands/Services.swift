internal import ArgumentParser
internal import MartletControlServer

struct Services: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the instances that are registered, by service.",
        discussion: "Those that have not renewed within their TTL are not there any more.")

    @OptionGroup var server: ServerOptions

    @Argument(help: "One service.")
    var service: String?

    @Option(name: .shortAndLong, help: "table, json or yaml.")
    var output = OutputFormat.table

    func run() async throws {
        try await server.withClient { client in
            let path =
                service.map { client.inNamespace("services", $0, "instances") } ?? client.inNamespace("instances")
            let answer = try await client.get(path, as: InstanceList.self)
            guard output == .table else { return Printout.answer(answer.data, output) }
            Printout.table(
                ["SERVICE", "INSTANCE", "ADDRESS", "HEALTH", "WEIGHT", "ZONE", "TTL"],
                answer.message.instances.map { instance in
                    [
                        instance.service, instance.id, instance.address, instance.health, "\(instance.weight)",
                        instance.zone, "\(instance.ttlSeconds)s",
                    ]
                })
        }
    }
}
