using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text;

namespace Gateway.Server.Hosting;

/// <summary>The system calls that the host shell makes itself, because the framework has no name for them.</summary>
internal static class PosixCalls
{
    private const int ReadOnlyFolder = 0x1_0000; // O_RDONLY | O_DIRECTORY on x64; arm64 has 0x4000.
    private const int ReadOnlyFolderArm64 = 0x4000;
    private const int CloseOnExec = 0x8_0000;
    private const int NameIsTaken = 17; // EEXIST

    /// <summary>Makes a new or renamed name in <paramref name="folder"/> durable: fsync(2) of the folder itself.</summary>
    /// <exception cref="IOException">The kernel said no; the message holds its reason.</exception>
    public static void SyncFolder(string folder)
    {
        var flags = CloseOnExec | (RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? ReadOnlyFolderArm64 : ReadOnlyFolder);
        var descriptor = Open(Encoding.UTF8.GetBytes(folder + '\0'), flags);
        if (descriptor < 0) throw Failure(folder);
        try
        {
            // Some file systems cannot sync a folder and need no sync: EINVAL.
            if (Fsync(descriptor) != 0 && Marshal.GetLastPInvokeError() != 22) throw Failure(folder);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>Gives a file a second name, unless something has that name: link(2), which is one step where .NET's File.Move looks first and then renames.</summary>
    /// <returns>False: the name is taken.</returns>
    /// <exception cref="IOException">The kernel said no; the message holds its reason.</exception>
    public static bool TryLink(string existing, string name)
    {
        if (Link(Encoding.UTF8.GetBytes(existing + '\0'), Encoding.UTF8.GetBytes(name + '\0')) == 0) return true;
        return Marshal.GetLastPInvokeError() == NameIsTaken ? false : throw Failure(name);
    }

    /// <summary>Ends the process without any further code of it: no handlers, no flush. _exit(2).</summary>
    [DoesNotReturn]
    public static void ExitAtOnce(int code)
    {
        Exit(code);
        throw new InvalidOperationException("_exit returned");
    }

    private static IOException Failure(string path) => new($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "link", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Link(byte[] existing, byte[] name);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Fsync(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Close(int descriptor);

    [DllImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern void Exit(int code);
}
