using Gateway.Protocol;
using Gateway.Tests.EndToEnd;
using Xunit;

namespace Gateway.Tests.Metrics;

/// <summary>
/// A node that has met some of everything: two devices that exchanged messages, one rejected, some for a device that is away, a refused send and a
/// failed login. Shared by tests that only look.
/// </summary>
public abstract class LiveNode : IAsyncLifetime, IDisposable
{
    public const int ForTheAbsent = 12;
    public const int Delivered = 5;
    public const ushort RejectReason = 7;

    private static readonly Address Alice = new(AddressKind.User, 15550001);
    private static readonly Address Bob = new(AddressKind.User, 15550002);
    private static readonly Address Absent = new(AddressKind.User, 15550003);

    private readonly TemporaryFolder _folder = new();
    private readonly NodeProcess _node;
    private readonly HttpClient _http = new();
    private WireDevice? _alice;
    private WireDevice? _bob;

    protected LiveNode(int reactors)
    {
        Reactors = [.. Enumerable.Range(0, reactors).Select(r => $"{r}")];
        _node = new NodeProcess(_folder.File("data"), "--reactors", $"{reactors}");
    }

    /// <summary>The reactors' labels.</summary>
    public IReadOnlyList<string> Reactors { get; }

    public async Task InitializeAsync()
    {
        await _node.StartAsync();
        Assert.Throws<WireErrorException>(() => new WireDevice(_node.NativePort).LogIn(Alice, new byte[32]));
        _alice = new WireDevice(_node.NativePort).LogIn(Alice, _node.KeyOf(Alice));
        _bob = new WireDevice(_node.NativePort).LogIn(Bob, _node.KeyOf(Bob));
        ulong number = 0;
        for (var i = 0; i < Delivered; i++)
        {
            Send(Bob, "hello");
            _bob.Acknowledge(NextAtBob());
            AcknowledgeReceipt();
        }

        Send(Bob, "poison");
        _bob.Reject(NextAtBob(), RejectReason);
        AcknowledgeReceipt();
        for (var i = 0; i < ForTheAbsent; i++) Send(Absent, "are you there?");
        _alice.Send(new Address(AddressKind.Group, 1), ++number, "no groups yet"u8);
        _alice.Expect(FrameType.Refused);

        void Send(Address to, string body)
        {
            _alice!.Send(to, ++number, System.Text.Encoding.UTF8.GetBytes(body), lowestOpen: number);
            _alice.Expect(FrameType.Accepted);
        }

        void AcknowledgeReceipt()
        {
            Assert.True(ReceiptFrame.TryParse(_alice!.Expect(FrameType.Receipt), out var receipt, out _));
            _alice.Acknowledge(receipt.Sequence);
        }

        ulong NextAtBob()
        {
            Assert.True(DeliverFrame.TryParse(_bob!.Expect(FrameType.Deliver), out var delivered, out _));
            return delivered.Sequence;
        }
    }

    public Task DisposeAsync()
    {
        Dispose();
        return _node.DisposeAsync().AsTask();
    }

    public void Dispose()
    {
        _alice?.Dispose();
        _bob?.Dispose();
        _http.Dispose();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The body of /metrics, and its content type.</summary>
    public async Task<(string Text, string ContentType)> ScrapeAsync(string accept)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{_node.Operator}/metrics");
        request.Headers.TryAddWithoutValidation("Accept", accept);
        using var answer = await _http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadAsStringAsync(), answer.Content.Headers.ContentType!.ToString());
    }

    public async Task<string> StatusAsync() => await _http.GetStringAsync($"http://{_node.Operator}/status");
}

public sealed class LiveNodeWithOneReactor() : LiveNode(1);

public sealed class LiveNodeWithEightReactors() : LiveNode(8);
