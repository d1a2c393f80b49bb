using System.Diagnostics;
using System.Globalization;
using Gateway.Client;
using Gateway.Protocol;

/// <summary>
/// Runs part of this assembly as a process of its own, which a test can kill: the runtime calls a startup hook before Main, and the hook never returns.
/// The type's name and the lack of a namespace are the runtime's.
/// </summary>
internal static class StartupHook
{
    public static void Initialize()
    {
        // The hook is inherited by children of the child: only who is asked for by name is run.
        if (Environment.GetEnvironmentVariable("GATEWAY_TESTS_CHILD") == nameof(Gateway.Tests.Client.SendingChild)) Gateway.Tests.Client.SendingChild.RunAsync().GetAwaiter().GetResult();
    }
}

namespace Gateway.Tests.Client
{
    /// <summary>A client in a process of its own: sends without end, says on its standard output what the outbox has, and takes what comes.</summary>
    internal static class SendingChild
    {
        public static Process Start(string database, int port, int run)
        {
            var assembly = typeof(SendingChild).Assembly.Location;
            var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet", [assembly])
            {
                RedirectStandardOutput = true,
                Environment =
                {
                    ["DOTNET_STARTUP_HOOKS"] = assembly,
                    ["GATEWAY_TESTS_CHILD"] = nameof(SendingChild),
                    ["GATEWAY_TESTS_DATABASE"] = database,
                    ["GATEWAY_TESTS_PORT"] = port.ToString(CultureInfo.InvariantCulture),
                    ["GATEWAY_TESTS_RUN"] = run.ToString(CultureInfo.InvariantCulture),
                },
            };
            return Process.Start(start)!;
        }

        public static async Task RunAsync()
        {
            await using var client = new GatewayClient(new GatewayClientOptions
            {
                Host = "127.0.0.1",
                Port = int.Parse(Environment.GetEnvironmentVariable("GATEWAY_TESTS_PORT")!, CultureInfo.InvariantCulture),
                Key = new KeyFile(FakeNode.Device, 0, new byte[DeviceKey.KeyBytes]),
                Store = new SqliteMessageStore(Environment.GetEnvironmentVariable("GATEWAY_TESTS_DATABASE")!),
                CreditMessages = ModelNode.Credit,
                AcknowledgeEvery = 5,
                MaxOutbox = 100,
                ReconnectMin = TimeSpan.FromMilliseconds(1),
                ReconnectMax = TimeSpan.FromMilliseconds(2),
            })
            {
                MessageReceived = (_, _) => default,
            };
            await client.StartAsync();
            var run = Environment.GetEnvironmentVariable("GATEWAY_TESTS_RUN");
            for (var i = 0; ; i++)
            {
                var body = $"{run}-{i}";
                await client.SendAsync(new Address(AddressKind.User, (ulong)(1 + i % 3)), System.Text.Encoding.UTF8.GetBytes(body));
                Console.WriteLine(body);
            }
        }
    }
}
