using Gateway.Server;
using Gateway.Server.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.Tests.Server;

/// <summary>The level of the log, and what the web server may say in it.</summary>
public class LogLevelTests
{
    [Theory]
    [InlineData(LogFormat.Text)]
    [InlineData(LogFormat.Json)]
    public void The_level_holds_from_the_next_line_on_for_loggers_that_exist(LogFormat format)
    {
        var level = new LogLevelSwitch(LogLevel.Information);
        using var logs = NodeLogging.Create(format, level);
        var log = logs.CreateLogger("Gateway.Server.Node");

        Assert.False(log.IsEnabled(LogLevel.Debug));
        level.Level = LogLevel.Debug;
        Assert.True(log.IsEnabled(LogLevel.Debug));
        level.Level = LogLevel.Error;
        Assert.False(log.IsEnabled(LogLevel.Warning));
    }

    [Fact]
    public void The_web_server_never_speaks_of_requests_whose_paths_hold_addresses()
    {
        var level = new LogLevelSwitch(LogLevel.Information);
        using var logs = NodeLogging.Create(LogFormat.Text, level);
        var log = logs.CreateLogger("Microsoft.AspNetCore.Hosting.Diagnostics");

        Assert.False(log.IsEnabled(LogLevel.Information));
        Assert.True(log.IsEnabled(LogLevel.Warning));
        level.Level = LogLevel.Trace;
        Assert.False(log.IsEnabled(LogLevel.Information));
        level.Level = LogLevel.Error;
        Assert.False(log.IsEnabled(LogLevel.Warning));
    }
}
