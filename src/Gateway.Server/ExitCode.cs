namespace Gateway.Server;

/// <summary>How the program <c>gateway</c> ends.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Unexpected = 1;
    public const int BadOptions = 2;
    public const int CannotStart = 3;
    public const int FailStop = 4;

    /// <summary>A second signal: 128 and its number, as a shell reports it.</summary>
    public const int SignalBase = 128;

    public static IReadOnlyList<(string Code, string Meaning)> Meanings { get; } =
    [
        ("0", "drained and committed; or asked for help, version or check-config and all is well"),
        ("1", "an error in the program itself"),
        ("2", "an option is unknown or wrong"),
        ("3", "cannot start: port in use; data folder locked, unwritable, newer or corrupt; secret unusable"),
        ("4", "fail stop: a write or sync failed, or no commit progress; nothing answered is lost"),
        ("130", "a second SIGINT"),
        ("143", "a second SIGTERM"),
    ];
}
