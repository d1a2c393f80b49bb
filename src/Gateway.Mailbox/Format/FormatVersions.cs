namespace Gateway.Mailbox.Format;

/// <summary>Which formats this build opens: its own and the one before it.</summary>
internal static class FormatVersions
{
    /// <exception cref="LogVersionException"/>
    public static void Require(uint found, string path)
    {
        if (found > RecordLayout.FormatVersion)
        {
            throw new LogVersionException(
                $"{path} is in log format {found}; this build reads formats {RecordLayout.OldestReadableVersion} to {RecordLayout.FormatVersion}. Start the newer build, or restore a backup made by this one.",
                found, RecordLayout.FormatVersion);
        }

        if (found < RecordLayout.OldestReadableVersion)
        {
            throw new LogVersionException(
                $"{path} is in log format {found}; this build reads formats {RecordLayout.OldestReadableVersion} to {RecordLayout.FormatVersion}. Open it once with the build in between.",
                found, RecordLayout.FormatVersion);
        }
    }
}
