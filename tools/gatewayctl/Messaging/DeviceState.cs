using Gateway.Client;
using Gateway.Ctl.Devices;
using Gateway.Protocol;

namespace Gateway.Ctl.Messaging;

/// <summary>
/// The files in which a device's outbox, history and position live between runs: <c>DIR/ADDRESS.db</c>, and <c>DIR/ADDRESS.work.db</c> for
/// replay and tail. One process at a time.
/// </summary>
internal sealed class DeviceState(string folder, Address device)
{
    /// <summary>Closed messages kept. A replay counts its lines in the history, so no single one may be longer.</summary>
    public const long MaxHistory = 10_000_000;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public string StorePath { get; } = Path.Combine(folder, NameOf(device) + ".db");
    public string JournalPath { get; } = Path.Combine(folder, NameOf(device) + ".work.db");

    /// <summary>~/.local/share/gatewayctl, where XDG_DATA_HOME says nothing else.</summary>
    public static string DefaultFolder(Func<string, string?> variables)
    {
        var data = variables("XDG_DATA_HOME") is { Length: > 0 } home ? home : Path.Combine(variables("HOME") ?? ".", ".local", "share");
        return Path.Combine(data, "gatewayctl");
    }

    public void CreateFolder()
    {
        try
        {
            Directory.CreateDirectory(folder, OwnerOnly);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CtlException(ExitCode.Local, $"{folder}: cannot be made: {e.Message}", e);
        }
    }

    public SqliteMessageStore OpenStore() => new(StorePath, SqliteDurability.Full, MaxHistory);

    private static string NameOf(Address device) => Path.GetFileNameWithoutExtension(DeviceKeyFile.NameOf(device));
}

/// <summary>The store of a command that may send: before anything is added, what a killed replay did is written down.</summary>
internal sealed class SettlingStore(IMessageStore inner, DeviceState state) : ForwardingStore(inner)
{
    public override async Task<StoreSnapshot> OpenAsync(Address owner, CancellationToken cancellationToken)
    {
        var snapshot = await Inner.OpenAsync(owner, cancellationToken);
        using var journal = new WorkJournal(state.JournalPath);
        await ReplaySettlement.SettleAsync(journal, Inner);
        return snapshot;
    }
}
